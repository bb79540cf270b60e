"""Owners that an agent gives to a stored object: with them it would go."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    Document,
    changed,
    config_map,
    definition,
    deployment,
    make,
    owner,
    policy,
)
from tests.corpus.builders.reviews import PERSON, update, user
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import annotation, approved

MISSING = "ApprovalMissing"
FREE = "NotCovered"
APP = config_map("app")
LEDGER = deployment("ledger")
FAULT = {"path": "/apis/apps/v1/namespaces/payments/deployments/ledger", "status": 503}


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _by_agents()
    yield from _of_which_objects()
    yield from _that_are_protected()
    yield from _of_other_kinds()
    yield from _by_tags()


def gets(*owners: Document, stored: Document = CHECKOUT, **given: Any) -> Document:
    """Give the review of an update that gives these owners to the Deployment."""
    held = stored["metadata"].get("ownerReferences") or []
    return update(stored, changed(stored, ownerReferences=[*held, *owners]), **given)


def _by_agents() -> Iterator[Expected]:
    yield case("an agent gives a protected object an owner", MISSING, gets(owner(APP)), DEPLOYMENTS, APP)
    yield case("an owner that controls", MISSING, gets(owner(APP, controller=True)), DEPLOYMENTS, APP)
    yield case("an owner that is not there", MISSING, gets(owner(APP)), DEPLOYMENTS)
    yield case(
        "an owner beside one that it has",
        MISSING,
        gets(owner(LEDGER), stored=changed(CHECKOUT, ownerReferences=[owner(APP)])),
        DEPLOYMENTS,
        APP,
    )
    owned = changed(CHECKOUT, ownerReferences=[owner(APP)])
    yield case("an owner that is taken away", MISSING, update(owned, CHECKOUT), DEPLOYMENTS, APP)
    blocked = changed(CHECKOUT, ownerReferences=[owner(APP, blockOwnerDeletion=True)])
    yield case("an owner that waits for the object from now on", MISSING, update(owned, blocked), DEPLOYMENTS, APP)
    anew = changed(CHECKOUT, ownerReferences=[owner(APP, uid="another")])
    yield case("an owner of the same name and another uid", MISSING, update(owned, anew), DEPLOYMENTS, APP)
    ready = approved(CHECKOUT, detail={"actions": ["ChangeOwners"]})
    yield case("an approved change of owners", "Approved", gets(owner(APP), stored=ready), DEPLOYMENTS, APP)
    deletes = approved(CHECKOUT)
    yield case(
        "a change of owners under an approval of a deletion",
        "Approved",
        gets(owner(APP), stored=deletes),
        DEPLOYMENTS,
        APP,
    )
    zero = approved(CHECKOUT, detail={"actions": ["ScaleToZero"]})
    yield case(
        "a change of owners under an approval of a scale to zero",
        "WrongAction",
        gets(owner(APP), stored=zero),
        DEPLOYMENTS,
        APP,
    )


def _of_which_objects() -> Iterator[Expected]:
    other = policy("production", "deployments.apps", actions=["Delete", "ScaleToZero"])
    yield case("a policy without ChangeOwners, as a deletion", MISSING, gets(owner(APP)), other, APP)
    sizes = policy("production", "deployments.apps", actions=["ScaleToZero", "RemoveFinalizers"])
    yield case("a policy without ChangeOwners and Delete", FREE, gets(owner(APP)), sizes, APP)
    yield case(
        "an object that no policy names gets an owner", FREE, gets(owner(APP), stored=config_map()), DEPLOYMENTS, APP
    )
    yield case("through a subresource", MISSING, gets(owner(APP), below="status"), DEPLOYMENTS, APP)
    yield case(
        "under a policy that Audit watches",
        MISSING,
        gets(owner(APP)),
        policy("production", "deployments.apps", mode="Audit"),
        APP,
        path=AUDIT,
    )
    yield case("by dry run", MISSING, gets(owner(APP), dryRun=True), DEPLOYMENTS, APP)
    cell = make("Cell", "east")
    yield case("a cluster-scoped owner", MISSING, gets(owner(cell)), DEPLOYMENTS, cell, definition("Cell"))
    yield case("an owner whose reference lacks all its fields", MISSING, gets({}), DEPLOYMENTS)
    new = changed(CHECKOUT, ownerReferences=[owner(APP)], spec__replicas=0)
    yield case(
        "an owner together with a scale to zero",
        MISSING,
        update(CHECKOUT, new),
        DEPLOYMENTS,
        APP,
    )


def _that_are_protected() -> Iterator[Expected]:
    yield case("an owner that is protected as well", MISSING, gets(owner(LEDGER)), DEPLOYMENTS, LEDGER)
    yield case("an owner that would be protected, and is not there", MISSING, gets(owner(LEDGER)), DEPLOYMENTS)
    yield case("a protected owner of another uid", MISSING, gets(owner(LEDGER, uid="another")), DEPLOYMENTS, LEDGER)
    leaving = changed(LEDGER, deletionTimestamp="2026-11-22T09:00:00Z", finalizers=["foregroundDeletion"])
    yield case("a protected owner that is being deleted", MISSING, gets(owner(LEDGER)), DEPLOYMENTS, leaving)
    yield case(
        "a protected owner that cannot be read", MISSING, gets(owner(LEDGER)), DEPLOYMENTS, LEDGER, faults=[FAULT]
    )
    yield case(
        "a protected owner, where the view may be out of date",
        MISSING,
        gets(owner(LEDGER)),
        DEPLOYMENTS,
        LEDGER,
        fresh=False,
    )
    yield case(
        "two owners of which one is protected", MISSING, gets(owner(LEDGER), owner(APP)), DEPLOYMENTS, LEDGER, APP
    )
    yield case(
        "two owners that are both protected",
        MISSING,
        gets(owner(LEDGER), owner(deployment("mail"))),
        DEPLOYMENTS,
        LEDGER,
        deployment("mail"),
    )
    odd = owner(LEDGER, name="../ledger")
    yield case("an owner whose name no object can have", MISSING, gets(odd), DEPLOYMENTS, LEDGER)
    kindless = owner(LEDGER, kind="")
    yield case("an owner without a kind", MISSING, gets(kindless), DEPLOYMENTS, LEDGER)


def _of_other_kinds() -> Iterator[Expected]:
    cells = policy("cells", "cells.example.com")
    cell = make("Cell", "east")
    yield case(
        "a cluster-scoped owner that is protected",
        MISSING,
        gets(owner(cell)),
        DEPLOYMENTS,
        cells,
        cell,
        definition("Cell"),
    )
    here = policy("here", "statefulsets.apps", namespaces=["elsewhere"])
    ledger = make("StatefulSet", "ledger", spec={})
    yield case(
        "an owner of a kind that is protected elsewhere", MISSING, gets(owner(ledger)), DEPLOYMENTS, here, ledger
    )
    zero = policy("zero", "statefulsets.apps", actions=["ScaleToZero"])
    yield case("an owner that is protected from other actions", MISSING, gets(owner(ledger)), DEPLOYMENTS, zero, ledger)
    many = [deployment(f"owner-{number}") for number in range(9)]
    yield case("eight owners that are protected", MISSING, gets(*map(owner, many[:8])), DEPLOYMENTS, *many)
    yield case("nine owners that are protected", MISSING, gets(*map(owner, many)), DEPLOYMENTS, *many)
    ready = approved(CHECKOUT, detail={"actions": ["ChangeOwners"]})
    yield case(
        "nine such owners under an approval", "Approved", gets(*map(owner, many), stored=ready), DEPLOYMENTS, *many
    )
    wildcard = policy("all", "*.apps")
    yield case("an owner that a wildcard protects", MISSING, gets(owner(ledger)), wildcard, ledger)


def _by_tags() -> Iterator[Expected]:
    tagged = changed(CHECKOUT, annotations={"seconder.dev/agent": "kiro"})
    yield case(
        "a person gives an owner to what is tagged as an agent's",
        MISSING,
        gets(owner(APP), stored=tagged, by=PERSON),
        DEPLOYMENTS,
        APP,
    )
    managers = policy("production", "deployments.apps", agents={"fieldManagers": ["bot"]})
    yield case(
        "an agent by its field manager gives an owner",
        MISSING,
        gets(owner(APP), by=PERSON, manager="bot"),
        managers,
        APP,
    )
    everyone = policy("production", "deployments.apps", subjects="Everyone")
    yield case("a person gives an owner under a policy for Everyone", FREE, gets(owner(APP), by=PERSON), everyone, APP)
    yield case("an agent gives an owner under a policy for Everyone", MISSING, gets(owner(APP)), everyone, APP)
    bots = policy("bots", "nodes", agents={"groups": ["bots"]})
    yield case(
        "an agent of another policy, under one for Everyone",
        MISSING,
        gets(owner(APP), by=user("x", "bots")),
        bots,
        everyone,
        APP,
    )
    wrong = changed(CHECKOUT, annotations=annotation(CHECKOUT, sub="somebody"))
    yield case(
        "a change of owners under an approval for somebody else",
        "WrongRequester",
        gets(owner(APP), stored=wrong),
        DEPLOYMENTS,
        APP,
    )
