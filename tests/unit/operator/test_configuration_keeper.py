"""Whose the webhook configuration is, when the role that owns it is gone: an uninstall must take it along."""

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


def _keeper(stored: Stored) -> ConfigurationKeeper:
    api = cast(Api, stored)
    quiet = lambda _, __: None  # noqa: E731 - nothing to be read here
    return ConfigurationKeeper(api, Installation("seconder-system", frozenset()), LabelGuard(api, quiet), quiet)


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
