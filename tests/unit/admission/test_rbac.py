"""Roles as the API server gives them."""

import msgspec
import pytest

from seconder.admission import rbac
from seconder.admission.rbac import Rule


def test_a_role_is_read_from_what_the_api_server_gives() -> None:
    """No rules are none, and names of resources tell rules apart; what has another shape is an error and no answer."""
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["x"]}
    read = Rule(frozenset({"apps"}), frozenset({"deployments"}), frozenset({"get"}), frozenset({"x"}))
    assert rbac.rules({"rules": [rule]}) == [read]
    assert rbac.rules({}) == rbac.rules({"rules": None}) == []
    with pytest.raises(msgspec.ValidationError):
        rbac.rules({"rules": 5})
