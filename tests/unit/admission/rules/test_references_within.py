"""What names something protected goes with no definition and no namespace unasked."""

from typing import Any

import pytest
from tests.support.builders import (
    PERSON,
    approved_for,
    deletion,
    live,
    policy,
    request,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.decision import Decision
from seconder.admission.indirect import references
from seconder.admission.lookups import Naming, Namings
from seconder.admission.request import Operation, Request
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, DEPLOYMENTS, NAMESPACES, GroupResource, ResolvedResource

SHOP = target(DEPLOYMENTS, "shop")
GEARS = GroupResource("example.com", "gears")
DEFINITION = target(DEFINITIONS, "gears.example.com", namespace="")
ELSEWHERE = target(NAMESPACES, "elsewhere", namespace="")
SPEC: dict[str, Any] = {
    "group": GEARS.group,
    "scope": "Namespaced",
    "names": {"plural": GEARS.resource, "kind": "Gear"},
    "versions": [{"name": "v1", "served": True}, {"name": "v2", "served": True, "storage": True}],
}
STORED = {"spec": SPEC}
NAMES_IT = Naming("elsewhere", references.found({"then": [f"{SHOP.namespace}/deployment/shop"]}))
ENDS = {
    "definition": deletion(DEFINITION, stored=STORED),
    "namespace": deletion(ELSEWHERE),
    "owner of a definition": update(
        DEFINITION,
        old=STORED,
        new=STORED | {"ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "u"}]},
    ),
    "mark on a definition": update(DEFINITION, old=STORED, new=STORED | {"annotations": {"janitor/ttl": "1m"}}),
    "mark on a namespace": update(ELSEWHERE, new={"annotations": {"janitor/ttl": "1m"}}),
    "change of a definition": update(DEFINITION, old=STORED, new={"spec": SPEC | {"versions": SPEC["versions"][1:]}}),
    "status of a namespace": update(ELSEWHERE, new={"status": {"phase": "Terminating"}}, subresource="status"),
}


def _decide(asked: Request, naming: Naming = NAMES_IT, **answers: Any) -> tuple[Decision, Answers]:
    there = Answers(**{"objects": live(SHOP), "namings": [naming], **answers})
    return decide(asked, state(policy(DEPLOYMENTS)), answers=there), there


@pytest.mark.parametrize("way", ENDS)
def test_what_goes_counts_as_deleted(way: str) -> None:
    """It asks for what its own deletion asks for, and no more."""
    decided, answers = _decide(ENDS[way])
    assert decided.reason is Reason.APPROVAL_MISSING, decided.message
    assert "some program acts on an object that names it and goes along" in decided.message
    asked = Namings(None, "elsewhere")
    if "definition" in way:
        asked = Namings(ResolvedResource(GEARS, "v2", namespaced=True, custom=True, kind="Gear"), "")
    assert answers.questions(Namings) == [asked]
    approved = live(SHOP, annotations=approved_for(SHOP))
    decided, _ = _decide(ENDS[way], objects=approved)
    assert decided.allowed, decided.message


@pytest.mark.parametrize("way", ENDS)
def test_what_is_not_known_is_refused_to_agents(way: str) -> None:
    """Too many objects, too slow an API server, a webhook of a conversion that does not answer."""
    decided, _ = _decide(ENDS[way], unknown=[Namings])
    assert decided.reason is Reason.INTERNAL_ERROR
    assert "what the objects name that go with it could not be looked up" in decided.message


@pytest.mark.parametrize(
    "asked",
    [
        deletion(DEFINITION, PERSON, stored=STORED),
        deletion(ELSEWHERE, PERSON),
        update(DEFINITION, old=STORED, new=STORED | {"labels": {"a": "b"}}),
        update(ELSEWHERE, new={"labels": {"a": "b"}}),
        deletion(
            target(DEFINITIONS, "x.storage.k8s.io", namespace=""),
            stored={"spec": SPEC | {"group": "storage.k8s.io"}},
        ),
        deletion(
            target(DEFINITIONS, "scaledobjects.keda.sh", namespace=""),
            stored={"spec": SPEC | {"group": "keda.sh", "names": {"plural": "scaledobjects", "kind": "ScaledObject"}}},
        ),
        request(Operation.CREATE, DEFINITION, new=STORED),
    ],
    ids=["people", "people's namespaces", "labels", "a namespace's labels", "kubernetes' own", "told", "made"],
)
def test_nothing_is_read_for_what_ends_nothing(asked: Request) -> None:
    """Nor for people, for whom it is never asked, nor of kinds of which others tell what they do."""
    assert _decide(asked)[1].questions(Namings) == []


def test_what_is_stored_in_a_version_that_is_not_served_is_not_known() -> None:
    """Another version may show less."""
    spec = SPEC | {"versions": [{"name": "v1", "served": True}, {"name": "v2", "served": False, "storage": True}]}
    for stored in (spec, None):
        decided, answers = _decide(deletion(DEFINITION, stored={"spec": stored}))
        assert (decided.reason, answers.questions(Namings)) == (Reason.INTERNAL_ERROR, [])


@pytest.mark.parametrize("way", ["definition", "namespace"])
def test_what_names_what_no_agent_writes_goes_with_nothing(way: str) -> None:
    """Whatever is approved."""
    naming = Naming("elsewhere", references.found({"roleRef": {"kind": "ClusterRole", "name": "seconder-webhook"}}))
    decided, _ = _decide(ENDS[way], naming)
    assert "agents may not have another program change" in decided.message
    many = Naming("elsewhere", references.found({"deployments": [f"x{number}" for number in range(1025)]}))
    decided, _ = _decide(ENDS[way], many)
    assert "it names more objects than can be looked at" in decided.message


def test_what_goes_itself_is_asked_about_by_others() -> None:
    """A namespace's deletion is approved with what is in it, and a definition's with its objects."""
    here = Naming(SHOP.namespace, references.found({"deployments": ["shop"]}))
    annotations = approved_for(target(NAMESPACES, SHOP.namespace, namespace=""))
    decided, _ = _decide(
        deletion(target(NAMESPACES, SHOP.namespace, namespace=""), stored={"annotations": annotations}), here
    )
    assert decided.allowed, decided.message
    gear = target(GEARS, "precious", namespace="elsewhere")
    named = {"manifest": {"apiVersion": "example.com/v1", "kind": gear.kind, "metadata": {"name": "precious"}}}
    answers = Answers(objects=live(gear), namings=[Naming("elsewhere", references.found(named))])
    annotations = approved_for(DEFINITION)
    asked = deletion(DEFINITION, stored=STORED | {"annotations": annotations})
    decided = decide(asked, state(policy(gear.resource)), answers=answers)
    assert decided.allowed, decided.message
    assert answers.questions(Namings)
    assert answers.read == []


def test_more_namespaces_than_can_be_looked_at_are_not_gone_through() -> None:
    """Each object may name others, and each kind may be in any of them."""
    places = ([f"n{each}-{at}" for at in range(999)] for each in range(40))
    namings = [Naming("elsewhere", references.found({"workload": "deploy/x", "namespaces": some})) for some in places]
    few, many = (Answers(namings=some) for some in (namings[:20], namings))
    named = state(policy(DEPLOYMENTS, namespaces={"payments"}))
    assert decide(ENDS["namespace"], named, answers=few).allowed
    assert refusal(decide(ENDS["namespace"], named, answers=many)) == "it names more objects than can be looked at"


def test_nothing_goes_with_what_was_never_served() -> None:
    """Its names were another definition's. Until the API server has said so, it is not known."""
    for established, reason in (("False", Reason.NOT_COVERED), ("True", Reason.INTERNAL_ERROR)):
        stored = STORED | {"status": {"conditions": [{"type": "Established", "status": established}]}}
        decided = decide(deletion(DEFINITION, stored=stored), state(policy(DEPLOYMENTS)), answers=_unread())
        assert decided.reason is reason
    odd = STORED | {"status": {"conditions": [{"type": "Established", "status": False}]}}
    decided = decide(deletion(DEFINITION, stored=odd), state(policy(DEPLOYMENTS)), answers=_unread())
    assert decided.reason is Reason.INTERNAL_ERROR


def _unread() -> Answers:
    return Answers(unknown=[Namings])
