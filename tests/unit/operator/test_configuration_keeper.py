"""Whose the webhook configuration is, when the role that owns it is gone: an uninstall must take it along."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from seconder.admission.policy_index import Installation
from seconder.client.api import Api, ApiError
from seconder.operator.configuration_keeper import ConfigurationKeeper
from seconder.operator.label_guard import LabelGuard
from seconder.operator.webhook_configuration import LABELS

ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "seconder-operator", "uid": "1"}


class Stored:
    """An API server that holds the configuration, and its owner or not."""

    def __init__(self, *, owned: bool) -> None:
        self.owned = owned
        self.configuration: dict[str, Any] | None = None

    def find(self, _: str) -> dict[str, Any] | None:
        """See Api."""
        return self.configuration

    def metadata(self, _: str) -> dict[str, Any]:
        """See Api."""
        if not self.owned:
            raise ApiError(404, "there is no such role")
        return {"metadata": {"uid": "1"}}

    def create(self, _: str, document: dict[str, Any]) -> dict[str, Any]:
        """See Api."""
        self.configuration = document | {"metadata": document["metadata"] | {"resourceVersion": "1"}}
        return self.configuration

    replace = create


def _keeper(stored: Stored, now: Sequence[float] = (0.0,)) -> ConfigurationKeeper:
    api = cast(Api, stored)
    quiet = lambda _, __: None  # noqa: E731 - nothing to be read here
    installation = Installation("seconder-system", frozenset())
    return ConfigurationKeeper(api, installation, LabelGuard(api, quiet), quiet, clock=lambda: now[0])


def _owners(stored: Stored) -> list[dict[str, str]]:
    assert stored.configuration is not None
    return list(stored.configuration["metadata"]["ownerReferences"])


@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed meanwhile"])
def test_one_that_leads_amid_an_uninstall_leaves_the_owner_that_it_never_saw(changed: bool) -> None:
    """Without it the garbage collector would leave the configuration behind, with nobody to answer."""
    stored = Stored(owned=True)
    _keeper(stored).keep({"webhooks": []}, ())
    assert _owners(stored) == [ROLE]
    stored.owned = False
    if changed:
        assert stored.configuration is not None
        stored.configuration["metadata"]["labels"] = dict.fromkeys(LABELS, "other")
    _keeper(stored).keep({"webhooks": []}, ())
    assert _owners(stored) == [ROLE]


def test_a_role_that_is_gone_stays_the_owner_of_what_is_put_back() -> None:
    """So that it goes as well."""
    stored = Stored(owned=True)
    keeper = _keeper(stored)
    keeper.keep({"webhooks": []}, ())
    stored.owned, stored.configuration = False, None
    keeper.keep({"webhooks": []}, ())
    assert _owners(stored) == [ROLE]


def _entry(**fields: Any) -> dict[str, Any]:
    return {"name": "agents.seconder.dev", "timeoutSeconds": 10, "matchConditions": [{"name": "a"}]} | fields


@pytest.mark.parametrize(
    ("changed", "repairs", "disputed"),
    [
        (_entry(timeoutSeconds=3), 0, False),
        (_entry(matchConditions=[]), 5, False),
        (_entry(matchConditions=[{"name": "a"}, {"name": "b"}]), 5, True),
    ],
    ids=["a time limit", "a condition less", "a condition more"],
)
def test_what_narrows_nothing_is_no_dispute_and_what_changes_nothing_is_left_alone(
    changed: dict[str, Any], repairs: int, disputed: bool
) -> None:
    """Or two programs would write for ever, and policies would be said not to be in force that are."""
    stored, now = Stored(owned=True), [0.0]
    keeper = _keeper(stored, now)
    wanted = {"webhooks": [_entry()]}
    keeper.keep(wanted, ())
    kept = []
    for _ in range(5):
        now[0] += 11
        assert stored.configuration is not None
        stored.configuration["webhooks"] = [changed]
        kept.append(keeper.keep(wanted, ()))
    assert sum(each.repaired for each in kept) == repairs
    assert kept[-1].disputed is disputed


def test_what_is_wanted_otherwise_is_written_whatever_differs() -> None:
    """A time limit too, where it is the operator's own."""
    stored = Stored(owned=True)
    keeper = _keeper(stored)
    for entry in (_entry(), _entry(timeoutSeconds=9)):
        keeper.keep({"webhooks": [entry]}, ())
        assert stored.configuration is not None
        assert stored.configuration["webhooks"] == [entry]


def test_who_keeps_changing_it_is_named_while_it_is_put_back_too() -> None:
    """The operator owns all of it then, and somebody's name would flicker in condition, metric and alert."""
    stored, now = Stored(owned=True), [0.0]
    keeper = _keeper(stored, now)
    wanted = {"webhooks": [_entry()]}
    keeper.keep(wanted, ())
    for _ in range(3):
        now[0] += 11
        assert stored.configuration is not None
        stored.configuration["webhooks"] = []
        changed = {"manager": "platform", "time": "2026-11-28T12:00:00Z", "fieldsV1": {"f:webhooks": {}}}
        stored.configuration["metadata"]["managedFields"] = [changed]
        assert keeper.keep(wanted, ()).writer == "platform"
    kept = keeper.keep(wanted, ())
    assert (kept.disputed, kept.writer) == (True, "platform")
