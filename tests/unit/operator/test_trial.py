"""What an API server takes no rules for is found out by few dry runs, and never more often than kinds come."""

from typing import Any, cast

import pytest

from seconder.admission.policy_index import Installation
from seconder.api.policy import Policy
from seconder.api.resources import GroupResource
from seconder.client.api import Api, ApiError
from seconder.operator.trial import Trial
from seconder.operator.webhook_configuration import Endpoint, configuration

_INSTALLATION = Installation("seconder-system", frozenset())
_ENDPOINT = Endpoint(url="https://127.0.0.1:1")
_NODES = GroupResource("", "nodes")
_REQUESTS = GroupResource("certificates.k8s.io", "certificatesigningrequests")
_SERVED = frozenset({_NODES, _REQUESTS, *(GroupResource(f"g{n}.example.com", f"kinds{n}") for n in range(100))})


class Platform:
    """An API server behind which a platform takes no rules with wildcards, and none for some kinds."""

    def __init__(self, *refused: GroupResource, forbids: bool = False, wildcards: bool = False) -> None:
        self.refused = refused
        self.forbids = forbids
        self.wildcards = wildcards
        self.asked = 0

    def create(self, _: str, document: dict[str, Any], **__: str) -> dict[str, Any]:
        """See Api."""
        self.asked += 1
        rules = [rule for entry in document["webhooks"] for rule in entry["rules"]]
        assert all(entry["rules"] for entry in document["webhooks"]), "a platform may not expect an entry without any"
        if self.forbids or any(self._is_wild(rule) or self._names(rule) for rule in rules):
            raise ApiError(403, "the platform takes no such rules")
        return document

    def _is_wild(self, rule: dict[str, Any]) -> bool:
        return "*" in rule["apiGroups"] and not self.wildcards

    def _names(self, rule: dict[str, Any]) -> bool:
        return any(kind.group in rule["apiGroups"] and kind.resource in rule["resources"] for kind in self.refused)


def _trial(platform: Platform) -> Trial:
    trial = Trial(cast(Api, platform), _INSTALLATION, _ENDPOINT)
    trial.serving(_SERVED)
    return trial


def _compiled(*policies: Policy) -> dict[str, Any]:
    return configuration(policies, _INSTALLATION, _ENDPOINT, "")


def test_kinds_that_no_rule_may_name_are_left_out_of_what_is_written_out() -> None:
    """Of those that a policy names nothing is left out: it is told that it is refused."""
    trial = _trial(Platform(_NODES, _REQUESTS))
    assert trial.adapt(_compiled())
    assert trial.unasked == [_NODES, _REQUESTS]
    prepared = trial.prepare(_compiled())
    named = {
        (group, name)
        for e in prepared["webhooks"]
        for r in e["rules"]
        for group in r["apiGroups"]
        for name in r["resources"]
    }
    assert ("g7.example.com", "kinds7/*") in named
    assert not any(name.startswith("nodes") for group, name in named if group == "")
    assert trial.problem([Policy("machines", resources=frozenset({_NODES}))]) == "the platform takes no such rules"
    assert trial.problem([Policy("others", resources=frozenset({GroupResource("g1.example.com", "kinds1")}))]) == ""


def test_where_a_policy_is_refused_and_no_wildcards_nothing_is_written_out() -> None:
    """Kinds that come later would be seen late, for no reason."""
    platform = Platform(_NODES, wildcards=True)
    trial = _trial(platform)
    machines = Policy("machines", resources=frozenset({_NODES}))
    assert not trial.adapt(_compiled(machines))
    assert trial.problem([machines]) == "the platform takes no such rules"
    assert trial.prepare(_compiled()) == _compiled()


def test_what_is_refused_is_looked_for_once_and_anew_when_a_kind_comes() -> None:
    """A refusal that has other reasons costs a request more."""
    platform = Platform(_NODES, _REQUESTS)
    trial = _trial(platform)
    trial.adapt(_compiled())
    assert platform.asked < 40
    before = platform.asked
    assert not trial.adapt(_compiled())
    assert platform.asked == before
    new = GroupResource("new.example.com", "things")
    platform.refused = (*platform.refused, new)
    trial.serving([new])
    assert trial.adapt(_compiled())
    assert new in trial.unasked


@pytest.mark.parametrize("platform", [Platform(*_SERVED), Platform(forbids=True)], ids=["every kind", "everything"])
def test_where_nothing_is_taken_nothing_is_adapted(platform: Platform) -> None:
    """Within a bound, whatever there is."""
    trial = _trial(platform)
    assert not trial.adapt(_compiled())
    assert platform.asked < 140
    assert trial.unasked == []
    assert trial.prepare(_compiled()) == _compiled()
