"""Which labels a selector selects, and which selectors are none."""

from typing import Any

import msgspec
import pytest

from seconder.api import policy_documents
from seconder.api.label_selector import LabelSelector, selector_of, selects

_RESOURCES = [{"group": "apps", "resources": ["deployments"]}]


def _expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator} | ({"values": list(values)} if values else {})]}


@pytest.mark.parametrize(
    ("document", "selected", "others"),
    [
        ({"matchLabels": {"tier": "prod"}}, [{"tier": "prod", "a": "b"}], [{}, {"tier": "dev"}]),
        (_expression("tier", "In", "prod", ""), [{"tier": "prod"}, {"tier": ""}], [{}, {"tier": "dev"}]),
        (_expression("tier", "NotIn", "dev"), [{}, {"tier": "prod"}], [{"tier": "dev"}]),
        (_expression("tier", "Exists"), [{"tier": ""}], [{}, {"Tier": "prod"}]),
        (_expression("tier", "DoesNotExist"), [{}, {"a": "b"}], [{"tier": ""}]),
        ({"matchLabels": {"a": "b"}} | _expression("c", "Exists"), [{"a": "b", "c": ""}], [{"a": "b"}, {"c": ""}]),
        ({}, [], [{}, {"a": "b"}]),
    ],
)
def test_a_selector_selects_as_kubernetes_does(
    document: dict[str, Any], selected: list[dict[str, str]], others: list[dict[str, str]]
) -> None:
    """All requirements must be met; an empty one adds nothing to the names."""
    selector = selector_of(msgspec.convert(document, LabelSelector))
    assert [selects(selector, labels) for labels in selected] == [True] * len(selected)
    assert [selects(selector, labels) for labels in others] == [False] * len(others)


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabels": {"-": "a"}},
        {"matchLabels": {"a..b/c": "a"}},
        {"matchLabels": {f"a/{'b' * 64}": "c"}},
        {"matchLabels": {"a": "b c"}},
        {"matchLabels": {"a": "b" * 64}},
        {"matchLabel": {"a": "b"}},
        _expression("a", "In"),
        _expression("a", "Exists", "b"),
        _expression("a", "Like", "b"),
    ],
)
def test_a_selector_that_the_api_server_would_not_take_refuses_everywhere(selector: dict[str, Any]) -> None:
    """Where it was meant to be cannot be read: the names beside it are not all of it."""
    document = {
        "metadata": {"name": "p", "generation": 1},
        "spec": {"resources": _RESOURCES, "namespaces": ["payments"], "namespaceSelector": selector},
    }
    [policy] = policy_documents.policies(document)
    assert policy.problem
    assert not policy.limited


def test_an_invalid_policy_keeps_the_place_that_can_be_read() -> None:
    """What is wrong elsewhere takes nothing from it, and adds nothing."""
    spec = {
        "resources": _RESOURCES,
        "namespaceSelector": {"matchLabels": {"tier": "prod"}},
        "approvals": {"required": 0},
    }
    [policy] = policy_documents.policies({"metadata": {"name": "p", "generation": 1}, "spec": spec})
    assert policy.problem
    assert (policy.limited, policy.places, [each.key for each in policy.selector]) == (True, frozenset(), ["tier"])
