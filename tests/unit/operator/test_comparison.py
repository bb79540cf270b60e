"""What of a changed webhook configuration narrows it, by meaning."""

import copy
from typing import Any

import pytest

from seconder.admission.policy_index import Installation
from seconder.api.policy import Mode, Policy
from seconder.api.resources import GroupResource
from seconder.operator.comparison import Exclusion, compare
from seconder.operator.webhook_configuration import Endpoint, configuration

_POLICY = Policy("p", resources=frozenset({GroupResource("apps", "deployments")}))
_AUDITED = Policy("a", mode=Mode.AUDIT, resources=frozenset({GroupResource("apps", "deployments")}))
_WANTED = configuration([_POLICY, _AUDITED], Installation(), Endpoint(url="https://127.0.0.1:1"), "")["webhooks"]


def _changed(**fields: Any) -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = copy.deepcopy(_WANTED)
    stored[0] |= fields
    return stored


def test_an_expression_that_leaves_out_labelled_namespaces_is_told_apart() -> None:
    """What it leaves out depends on the namespaces that there are."""
    expressions = [
        {"key": "control-plane", "operator": "DoesNotExist"},
        {"key": "managedby", "operator": "NotIn", "values": ["b", "a"]},
    ]
    found = compare(_WANTED, _changed(namespaceSelector={"matchExpressions": expressions}))
    assert found.differences == []
    assert found.exclusions == {Exclusion("control-plane"): True, Exclusion("managedby", ("a", "b")): True}
    assert [exclusion.selector for exclusion in found.exclusions] == ["control-plane", "managedby in (a,b)"]


@pytest.mark.parametrize(
    "fields",
    [
        {"failurePolicy": "Ignore"},
        {"namespaceSelector": {"matchLabels": {"a": "b"}}},
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}},
        {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}},
        {"rules": []},
        {"matchConditions": [*_WANTED[0]["matchConditions"], {"name": "off", "expression": "false"}]},
        {"clientConfig": {"url": "https://127.0.0.1:2"}},
        {"matchPolicy": "Exact"},
        {"somethingNew": {}},
    ],
    ids=lambda fields: "-".join(map(str, fields)),
)
def test_what_has_less_asked_about_narrows(fields: dict[str, Any]) -> None:
    """And whatever is not known to be harmless."""
    found = compare(_WANTED, _changed(**fields))
    assert [difference.narrows for difference in found.differences] == [True]
    assert found.exclusions == {}


def test_a_missing_entry_narrows_those_of_its_mode() -> None:
    """And one that is not ours narrows nothing."""
    audit = [entry for entry in _WANTED if entry["name"].startswith("audit-")]
    found = compare(_WANTED, [*audit, {"name": "other.example.com"}])
    assert {difference.narrows for difference in found.differences if "missing" in difference.what} == {True}
    assert not any(difference.audit for difference in found.differences)
    assert [difference.narrows for difference in found.differences if "ours" in difference.what] == [False]


def test_a_rule_more_and_a_condition_less_widen() -> None:
    """They are put right, and nobody is told that the guard is down."""
    more = [*_WANTED[0]["rules"], {"apiGroups": ["x"], "resources": ["y"]}]
    found = compare(_WANTED, _changed(matchConditions=_WANTED[0]["matchConditions"][1:], rules=more))
    assert [(difference.narrows, difference.widens) for difference in found.differences] == [(False, True)] * 2


def test_a_time_limit_has_the_same_asked_about() -> None:
    """Whoever gets no answer in time is refused."""
    [found] = compare(_WANTED, _changed(timeoutSeconds=5)).differences
    assert (found.narrows, found.widens) == (False, False)
