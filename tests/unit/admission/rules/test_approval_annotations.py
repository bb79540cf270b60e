"""What only people write on an object, and the room that it needs there."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.builders import AGENT, DEPLOYMENT, PERSON, creation, deletion, state, update
from tests.support.resolving import decide, refusal

from seconder.admission.request import Caller, Request
from seconder.api import constants
from seconder.api.reasons import Reason

OLD = {"approval.seconder.dev/alice": "signed", "note": "x"}
NOTE = {constants.BREAK_GLASS: "2026-11-22T04:30:00Z INC-4821"}
REFUSED = "agents may not change approvals and break-glass annotations"


def _changed(old: Mapping[str, str], new: Mapping[str, str], user: Caller = AGENT, **fields: Any) -> Request:
    return update(user=user, old={"annotations": old}, new={"annotations": new}, **fields)


def _made(annotations: Mapping[str, str]) -> Request:
    return creation(DEPLOYMENT, new={"annotations": annotations})


@pytest.mark.parametrize(
    ("stored", "incoming"),
    [
        ({}, OLD),
        (OLD, {}),
        (OLD, {"note": "x"}),
        (OLD, OLD | {"approval.seconder.dev/alice": "other"}),
        (OLD, OLD | {"approval.seconder.dev/bob": "more"}),
        ({}, {"approval.seconder.dev/": ""}),
    ],
)
def test_agents_neither_add_nor_change_nor_remove_approvals(stored: dict[str, str], incoming: dict[str, str]) -> None:
    """On the object or through a subresource that stores annotations."""
    for subresource in ("", "status", "finalize"):
        assert refusal(decide(_changed(stored, incoming, subResource=subresource), state())) == REFUSED
    assert decide(_changed(stored, incoming, PERSON), state()).allowed


def test_agents_make_no_object_with_an_approval_on_it() -> None:
    """An exported manifest carries the old one along."""
    assert refusal(decide(_made(OLD), state())) == REFUSED


@pytest.mark.parametrize(
    "request_",
    [_made(NOTE), _changed({}, NOTE), _changed(NOTE, {}), _changed(NOTE, {constants.BREAK_GLASS: "other"})],
)
def test_agents_do_not_write_it(request_: Request) -> None:
    """The emergency's annotation: neither new nor changed nor removed."""
    assert decide(request_, state()).reason is Reason.PROTECTED_CONFIGURATION


def test_agents_go_on_with_objects_that_carry_approvals() -> None:
    """While these stay as they are; deleting is decided elsewhere."""
    for request in (
        _changed(OLD, OLD | {"note": "y"}),
        deletion(stored={"annotations": OLD}),
        _changed({}, {"approval.seconder.dev.example/x": "1"}),
    ):
        assert decide(request, state()).allowed


def test_annotations_leave_room_for_approvals() -> None:
    """Bytes count, not characters; what crowds the object already may become less, but no more."""
    size = 192 * 1024 - len("key")
    full, over, umlauts = ({"key": text} for text in ("x" * size, "x" * (size + 1), "ä" * (size // 2 + 1)))
    for request in (_made(full), _changed({}, full), _changed(over, over), _changed(umlauts, over)):
        assert decide(request, state()).allowed
    for request in (_made(over), _made(umlauts), _changed(full, over)):
        said = "agents may not change annotations so that no approval finds room beside them"
        assert refusal(decide(request, state())) == said
    assert decide(_changed({}, over, PERSON), state()).allowed
