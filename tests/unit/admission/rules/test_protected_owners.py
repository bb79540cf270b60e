"""Agents make nothing that is protected under what is protected."""

import pytest
from tests.support.builders import (
    CONFIG_MAPS,
    DEPLOYMENT,
    PERSON,
    WIDGETS,
    creation,
    policy,
    state,
    target,
)
from tests.support.resolving import decide

from seconder.admission.request import Owner
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, REPLICA_SETS, Target

NEW = target(name="trap", uid="uid-new")
OWNER = Owner("apps/v1", "Deployment", "checkout", DEPLOYMENT.uid)


def _reason(new: Target = NEW, owner: Owner = OWNER, *policies: Policy) -> Reason:
    return decide(creation(new, new={"owners": [owner]}), state(*(policies or (policy(),)))).reason


def test_an_approved_deletion_stays_enough_whatever_agents_make() -> None:
    """What belongs to the owner from the beginning would need an approval of its own."""
    decided = decide(creation(NEW, new={"owners": [OWNER]}), state(policy()))
    assert decided.reason is Reason.APPROVAL_MISSING
    assert "deployments.apps checkout" in decided.message
    assert decided.advice.startswith("Make it without this owner.")


def test_a_namespace_counts_as_an_owner() -> None:
    """It is in no namespace itself, and protected by what it holds."""
    for kind in ("Namespace", "namespace"):
        owner = Owner("v1", kind, "shop", "u")
        assert _reason(NEW, owner, policy(NAMESPACES, DEPLOYMENT.resource)) is Reason.APPROVAL_MISSING
        assert _reason(NEW, owner, policy()) is Reason.APPROVAL_MISSING


def test_a_kind_in_small_letters_is_the_same() -> None:
    """The garbage collector takes it so."""
    assert _reason(NEW, Owner("apps/v1", "deployment", "checkout", DEPLOYMENT.uid)) is Reason.APPROVAL_MISSING


@pytest.mark.parametrize(
    ("new", "owner"),
    [
        (target(CONFIG_MAPS), OWNER),
        (NEW, Owner("v1", "ConfigMap", "real", "u")),
        (NEW, Owner("apps/v1", "Rollout", "checkout", "u")),
        (NEW, Owner("example.com/v1", "Deployment", "checkout", "u")),
    ],
)
def test_all_else_is_made_freely(new: Target, owner: Owner) -> None:
    """What is not protected itself, or belongs to nothing that is."""
    assert _reason(new, owner) is Reason.NOT_COVERED


def test_what_an_owners_own_controller_makes_is_free() -> None:
    """Nobody is asked about a ReplicaSet beside its Deployment."""
    one = policy(DEPLOYMENT.resource, REPLICA_SETS)
    assert _reason(target(REPLICA_SETS, "checkout-5d"), OWNER, one) is Reason.NOT_COVERED


def test_owners_elsewhere_are_others() -> None:
    """An owner is in the namespace of what it owns."""
    assert _reason(NEW, OWNER, policy(WIDGETS), policy(namespaces=frozenset({"shop"}))) is Reason.NOT_COVERED


def test_people_make_what_they_like() -> None:
    """A policy for agents binds agents."""
    assert decide(creation(NEW, PERSON, new={"owners": [OWNER]}), state(policy())).reason is Reason.NOT_COVERED
