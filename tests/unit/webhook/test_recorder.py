"""What a refusal may leave behind is bounded before anything is written."""

import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
from tests.support import served, signing
from tests.support.builders import DEPLOYMENTS, approved, deletion, live, policy, state, target
from tests.support.change_requests import recorded
from tests.support.resolving import Answers, decide
from tests.support.served import Asked, Served, View

from seconder.admission.lookups import NamespaceContents, ReadObjects
from seconder.admission.policy_index import PolicyIndex
from seconder.api import change_request
from seconder.api.change_request import ApprovalDoc
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Action
from seconder.approvals import change_requests
from seconder.approvals.change import By, Change
from seconder.approvals.difference import Difference
from seconder.approvals.impact import Item
from seconder.approvals.verification import Approval
from seconder.client.api import ApiError
from seconder.client.watch import Watch
from seconder.webhook.recorder import Bounds, Recorder, _Known, _known


class Still(Recorder):
    """A recorder whose threads are not started; its view is as the test says, and it has no API server to write to."""

    def __init__(
        self,
        bounds: Bounds,
        monkeypatch: pytest.MonkeyPatch,
        age: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(Served(), View(state()), Answers(), lambda _what, _error: None, bounds=bounds, clock=clock)
        monkeypatch.setattr(Watch, "age", lambda _: age)


def _change(name: str, requester: str = signing.REQUESTER, *, by_agent: bool = True) -> Change:
    return Change(
        requester, by_agent, "kiro" if by_agent else None, frozenset(), target(name=name), "v1", Action.DELETE, "", ()
    )


def _noted(recorder: Recorder, count: int, requester: str = signing.REQUESTER) -> int:
    changes = [_change(f"d{number}", requester) for number in range(count)]
    return sum(recorder.refused(change, Reason.APPROVAL_MISSING) for change in changes)


def test_one_requester_opens_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves the rest to others."""
    recorder = Still(Bounds(open_of_one=5, open_in_all=10), monkeypatch)
    assert _noted(recorder, 100) == 5
    assert _noted(recorder, 100, "another") == 3
    assert _noted(recorder, 100, "a third") == 0


def test_whoever_has_its_own_records_end_gains_no_place_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as it may, until they are taken away; others have theirs."""
    recorder = Still(Bounds(open_of_one=5, of_one=12), monkeypatch)
    recorder._take({f"chg-{number}": _Known(signing.REQUESTER, open=False) for number in range(10)})
    assert _noted(recorder, 100) == 2
    assert _noted(recorder, 100, "another") == 5


@pytest.mark.parametrize("bounds", [Bounds(notes=10), Bounds(open_in_all=10), Bounds(in_all=10)])
def test_agents_leave_places_to_people(monkeypatch: pytest.MonkeyPatch, bounds: Bounds) -> None:
    """However many agents there are; and people's are written first."""
    recorder = Still(bounds, monkeypatch)
    assert _noted(recorder, 100) == 8
    of_people = [_change(f"p{number}", "dana@example.com", by_agent=False) for number in range(3)]
    assert [recorder.refused(change, Reason.APPROVAL_MISSING) for change in of_people] == [True, True, False]
    written = [note.change for _ in range(3) if (note := recorder._next_due()) is not None]
    assert written[:2] == of_people[:2]
    assert written[2].by_agent


def test_a_record_that_takes_long_to_write_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the API server is: nobody else gets the place meanwhile."""
    now = [100.0]
    recorder = Still(Bounds(open_of_one=1), monkeypatch, clock=lambda: now[0])
    assert recorder.refused(_change("d0"), Reason.APPROVAL_MISSING)
    assert recorder._next_due() is not None, "what its thread writes now"
    now[0] += 50.0
    assert not recorder.refused(_change("d1"), Reason.APPROVAL_MISSING)


def test_notes_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the shares are."""
    recorder = Still(Bounds(notes=5), monkeypatch)
    assert _noted(recorder, 100) == 4


def test_the_same_refusal_takes_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it comes before it is written."""
    recorder = Still(Bounds(notes=1), monkeypatch)
    assert all(recorder.refused(_change("d"), Reason.APPROVAL_MISSING) for _ in range(100))
    assert not recorder.refused(_change("e"), Reason.APPROVAL_MISSING)


def test_without_a_present_view_of_what_is_open_nothing_new_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would bound it."""
    recorder = Still(Bounds(), monkeypatch, age=61)
    assert not recorder.refused(_change("d"), Reason.APPROVAL_MISSING)


def test_what_cannot_be_recorded_is_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal names no change request that will never be there."""
    assert not Still(Bounds(), monkeypatch).refused(_change("d", "x" * 513), Reason.APPROVAL_MISSING)
    assert Still(Bounds(), monkeypatch).refused(_change("d", "x" * 512), Reason.APPROVAL_MISSING)


def test_a_note_that_could_not_be_written_is_tried_again_a_bounded_number_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody has been told its name; but an API server that takes none does not fill the memory."""
    now = [100.0]
    recorder = Still(Bounds(tries=3, again=5.0), monkeypatch, clock=lambda: now[0])
    assert recorder.refused(_change("d"), Reason.APPROVAL_MISSING)
    tried = 0
    for _ in range(10):
        note = recorder._next_due()
        if note is not None:
            tried += 1
            assert (note.new, note.times) == (True, 1)
            recorder._keep_for_later(note)
            assert recorder._next_due() is None, "not at once"
        now[0] += 5.0
    assert tried == 3


def test_a_record_that_goes_between_two_looks_is_created_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody's next refusal goes without one because of it."""
    recorder = Still(Bounds(), monkeypatch)
    recorder._writer._resolver = Answers(objects=live(target(name="d")))
    change = _change("d")
    answers = iter([409, 201])

    def created(asked: Asked) -> Any:
        if next(answers) == 409:
            raise ApiError(409, "it is there")
        return {**asked.document, "metadata": {**asked.document["metadata"], "uid": "1", "resourceVersion": "1"}}

    path = f"{change_request.PATH}/{change.name}"
    api = Served({change_request.PATH: created, f"{path}/status": lambda asked: asked.document})
    monkeypatch.setattr(served, "MOST_SECONDS", 10.0)
    monkeypatch.setattr(recorder._writer, "_api", api)
    monkeypatch.setattr(recorder._writer, "_tell_refusal", lambda *_: None)
    assert recorder.refused(change, Reason.APPROVAL_MISSING)
    note = recorder._next_due()
    assert note is not None
    recorder._try_to_write(note)
    assert api.paths == [change_request.PATH, path, change_request.PATH, f"{path}/status"]
    assert recorder.refused(_change("e"), Reason.APPROVAL_MISSING)


@pytest.mark.parametrize(
    ("failure", "quiet", "kept"),
    [
        *((ApiError(status, "no"), True, True) for status in (0, 401, 429, 500, 503)),
        *((ApiError(status, "no"), False, True) for status in (403, 405, 409, 415)),
        *((ApiError(status, "no"), False, False) for status in (400, 413, 422)),
        (ValueError("not a change request"), False, True),
    ],
)
def test_one_record_that_cannot_be_written_keeps_no_other_from_being_written(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, *, quiet: bool, kept: bool
) -> None:
    """Only an API server that takes none at all does, since nothing would bound what waits for it."""

    def refuse(_: object) -> None:
        raise failure

    recorder = Still(Bounds(), monkeypatch)
    monkeypatch.setattr(recorder, "_write", refuse)
    assert recorder.refused(_change("d"), Reason.APPROVAL_MISSING)
    note = recorder._next_due()
    assert note is not None
    recorder._try_to_write(note)
    assert recorder.refused(_change("e"), Reason.APPROVAL_MISSING) is not quiet
    assert (note.change.name in recorder._notes) is kept


def _dropped(monkeypatch: pytest.MonkeyPatch, objects: Any) -> tuple[Still, list[str], Served]:
    """A recorder of one place that has tried to write one refusal, what it counted, and the API that it wrote to."""
    recorder, counted = Still(Bounds(open_of_one=1), monkeypatch), list[str]()
    recorder._resolver, api = Answers(objects=objects), Served()
    monkeypatch.setattr(recorder._writer, "_unseen", lambda: counted.append("unseen"))
    monkeypatch.setattr(recorder._writer, "_api", api)
    assert recorder.refused(_change("d"), Reason.APPROVAL_MISSING)
    note = recorder._next_due()
    assert note is not None
    recorder._try_to_write(note)
    return recorder, counted, api


@pytest.mark.parametrize(
    "objects",
    [{}, live(target(name="d", uid="another"))],
    ids=["it is not there", "it is another"],
)
def test_what_is_not_as_the_review_said_is_counted_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, objects: Any
) -> None:
    """No record, no event, no place taken from others: anybody who reaches the port can post a review."""
    recorder, counted, api = _dropped(monkeypatch, objects)
    assert (counted, api.asked) == (["unseen"], [])
    assert (recorder._notes, recorder._made) == ({}, {})
    assert recorder.refused(_change("e"), Reason.APPROVAL_MISSING), "by the same requester"


def test_a_use_is_told_although_its_object_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was recorded before: refused again, then let through, then gone, all before it was written."""
    recorder = Still(Bounds(), monkeypatch)
    change = _change("d")
    path = f"{change_request.PATH}/{change.name}"
    stored = msgspec.to_builtins(recorded(policy(), target=change.target))
    api = Served({path: stored, f"{path}/status": lambda asked: asked.document})
    monkeypatch.setattr(recorder._writer, "_api", api)
    monkeypatch.setattr(served, "MOST_SECONDS", 10.0)
    recorder._known = {change.name: _Known(change.requester, open=True)}
    assert recorder.refused(change, Reason.APPROVAL_MISSING)
    recorder.allowed(change, [cast(Approval, None)])
    monkeypatch.setattr(change_requests, "approval_doc", lambda _: ApprovalDoc(name="alice"))
    note = recorder._next_due()
    assert note is not None
    recorder._try_to_write(note)
    written = api.asked[-1].document["status"]
    assert (written["attempts"], bool(written["allowedAt"])) == (1, True)


def test_what_could_not_be_read_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither seen nor unseen."""
    recorder, counted = Still(Bounds(), monkeypatch), list[str]()
    recorder._writer._resolver = Answers(unknown=[ReadObjects])
    monkeypatch.setattr(recorder._writer, "_unseen", lambda: counted.append("unseen"))
    assert recorder.refused(_change("d"), Reason.APPROVAL_MISSING)
    note = recorder._next_due()
    assert note is not None
    recorder._try_to_write(note)
    assert (counted, list(recorder._notes)) == ([], [note.change.name])


def test_a_use_right_after_the_refusal_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record that was just written may not be in view yet; unnoted, it would end as withdrawn."""
    recorder = Still(Bounds(), monkeypatch)
    change = _change("d")
    assert recorder.refused(change, Reason.APPROVAL_MISSING)
    assert recorder._next_due() is not None, "what its thread takes up first"
    approval = cast(Approval, None)
    recorder.allowed(change, [approval])
    note = recorder._next_due()
    assert note is not None
    assert list(note.allowed) == [approval]


def test_the_same_use_is_told_again_after_a_while_and_another_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever repeats what is allowed has nothing written for each time."""
    now = [100.0]
    recorder = Still(Bounds(again=5.0), monkeypatch, clock=lambda: now[0])
    change, approval, another = _change("d"), cast(Approval, "by alice"), cast(Approval, "by bob")
    recorder._known = {change.name: _Known(change.requester, open=True)}
    assert recorder.refused(change, Reason.APPROVAL_MISSING)
    recorder.allowed(change, [approval])
    written = 0
    for _ in range(100):
        now[0] += 0.1
        written += recorder._next_due() is not None
        recorder.allowed(change, [approval])
    assert written == 2
    recorder.allowed(change, [another])
    note = recorder._next_due()
    assert note is not None
    assert list(note.allowed) == [another]
    assert recorder.refused(change, Reason.APPROVAL_MISSING)
    recorder.allowed(change, [another])
    assert recorder._next_due() is None, "of the two it is the use that matters, and that was told"


_BACKUP = By("CREATE", "velero.io", "backups", "velero", "bk", "", "it names it")
_SLICE = By("CREATE", "discovery.k8s.io", "endpointslices", "payments", "mine", "", "what is sent goes elsewhere")


def _asked_by(by: By | None, **fields: Any) -> Change:
    return msgspec.structs.replace(_change("d"), by=by, **fields)


def _in_view(recorder: Recorder, *changes: Change) -> None:
    """As the watch brings them: open, and read from their documents."""
    records = {}
    for change in changes:
        document = change_requests.document(change, None)
        document["metadata"] |= {"uid": change.name, "resourceVersion": "1"}
        known = _known(document)
        assert known is not None
        assert known.open
        records[change.name] = known
    recorder._take(records)


def _noted_uses(recorder: Recorder) -> set[str]:
    return {name for name, note in recorder._notes.items() if note.allowed}


_APPROVALS = [cast(Approval, "by alice")]


@pytest.mark.parametrize("used", [None, _BACKUP, _SLICE], ids=["itself", "by what it was asked for", "by another"])
def test_a_use_is_noted_on_each_record_of_what_was_approved(monkeypatch: pytest.MonkeyPatch, used: By | None) -> None:
    """By whatever request each was asked for, and by whatever it is used: all were approved by the same."""
    recorder = Still(Bounds(), monkeypatch)
    records = [_asked_by(by) for by in (None, _BACKUP)]
    _in_view(recorder, *records)
    recorder.allowed(_asked_by(used), _APPROVALS)
    assert _noted_uses(recorder) == {record.name for record in records}


def _difference(after: str) -> Difference:
    return Difference("b" * 64, after * 64, ("spec",), "{}", False)


@pytest.mark.parametrize(
    "another",
    [
        {"requester": "another"},
        {"agent": "another"},
        {"target": target(name="d", uid="another")},
        {"action": Action.SCALE_TO_ZERO},
        {"action": Action.CHANGE, "difference": _difference("a")},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_use_is_noted_on_no_record_of_anything_else(monkeypatch: pytest.MonkeyPatch, another: Any) -> None:
    """Of another requester, agent, object or action."""
    recorder = Still(Bounds(), monkeypatch)
    records = [_asked_by(_BACKUP, **another), _asked_by(None, **another)]
    _in_view(recorder, *records)
    recorder.allowed(_asked_by(None), _APPROVALS)
    assert _noted_uses(recorder) == {f"{_asked_by(None).name}.used"}


def test_a_use_of_one_change_is_noted_on_no_record_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which object is wanted tells them apart."""
    recorder = Still(Bounds(), monkeypatch)
    made, other = ({"action": Action.CHANGE, "difference": _difference(after)} for after in "ac")
    record, another = _asked_by(_BACKUP, **made), _asked_by(_BACKUP, **other)
    _in_view(recorder, record, another)
    recorder.allowed(_asked_by(None, **made), _APPROVALS)
    assert _noted_uses(recorder) == {record.name}


def test_a_use_by_another_request_right_after_the_refusal_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record that was just written may not be in view yet."""
    recorder = Still(Bounds(), monkeypatch)
    asked = _asked_by(_BACKUP)
    assert recorder.refused(asked, Reason.APPROVAL_MISSING)
    assert recorder._next_due() is not None, "what its thread takes up first"
    recorder.allowed(_asked_by(None), _APPROVALS)
    assert _noted_uses(recorder) == {asked.name}


def test_what_is_refused_after_a_use_by_another_request_is_written_as_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The note that is there already was made of the other."""
    recorder = Still(Bounds(), monkeypatch)
    asked = _asked_by(_BACKUP)
    _in_view(recorder, asked)
    recorder.allowed(_asked_by(None), _APPROVALS)
    assert recorder.refused(asked, Reason.APPROVAL_MISSING)
    note = recorder._next_due()
    assert note is not None
    assert (note.name, note.change, note.used, note.times) == (asked.name, asked, _asked_by(None), 1)


@pytest.mark.parametrize(
    ("used", "told"),
    [
        (None, "the action on the object itself"),
        (_BACKUP, ""),
        (_SLICE, "CREATE of endpointslices.discovery.k8s.io payments/mine"),
    ],
)
def test_a_record_says_what_was_let_through_where_it_was_asked_for_by_another_request(
    monkeypatch: pytest.MonkeyPatch, used: By | None, told: str
) -> None:
    """Nobody reads of a request that it was made, when another was."""
    recorder = Still(Bounds(), monkeypatch)
    asked = _asked_by(_BACKUP)
    path = f"{change_request.PATH}/{asked.name}"
    document = change_requests.document(asked, None)
    document["metadata"] |= {"uid": "1", "resourceVersion": "1"}
    api = Served({path: document, f"{path}/status": lambda sent: sent.document})
    monkeypatch.setattr(recorder._writer, "_api", api)
    monkeypatch.setattr(change_requests, "approval_doc", lambda _: ApprovalDoc(name="alice"))
    monkeypatch.setattr(served, "MOST_SECONDS", 10.0)
    _in_view(recorder, asked)
    recorder.allowed(_asked_by(used), _APPROVALS)
    note = recorder._next_due()
    assert note is not None
    recorder._try_to_write(note)
    written = api.asked[-1].document["status"]
    assert (bool(written["allowedAt"]), written["letThrough"]) == (True, told)


def test_a_use_of_what_was_never_refused_takes_no_place_of_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has at most half of the notes, and none of what a requester may have open."""
    recorder = Still(Bounds(notes=10, open_of_one=1), monkeypatch)
    for number in range(20):
        recorder.allowed(_change(f"never refused {number}"), _APPROVALS)
    assert len(recorder._notes) == 5
    assert recorder.refused(_change("d"), Reason.APPROVAL_MISSING)


_STANDS = live(signing.DEPLOYMENT, annotations=approved())


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        (_STANDS, True),
        ({}, True),
        (live(signing.DEPLOYMENT, uid="another"), True),
        (live(signing.DEPLOYMENT), False),
        (live(signing.DEPLOYMENT, annotations=approved(jti="another".rjust(32, "0"))), False),
    ],
    ids=["it carries the approval", "it is gone", "it is another", "it carries none", "it carries another"],
)
def test_a_use_of_what_was_never_refused_is_an_event_where_the_object_is_so(
    monkeypatch: pytest.MonkeyPatch, objects: Any, *, told: bool
) -> None:
    """There is no record to tell of it. An approval that was taken off proves no use by whoever kept it."""
    recorder, counted = Still(Bounds(), monkeypatch), list[str]()
    decided = decide(deletion(stored={"annotations": approved()}), state(policy()))
    assert decided.change is not None
    written: list[Any] = []
    recorder._writer._resolver = Answers(objects=objects)
    monkeypatch.setattr(recorder._writer, "_unseen", lambda: counted.append("unseen"))
    monkeypatch.setattr(recorder._writer._events, "write", written.append)
    recorder.allowed(decided.change, decided.counted)
    note = recorder._next_due()
    assert note is not None
    recorder._try_to_write(note)
    assert ([each.reason for each in written], counted) == ((["LetThrough"], []) if told else ([], ["unseen"]))
    assert (recorder._notes, recorder._made) == ({}, {})
    if told:
        assert written[0].note == f"Delete by {signing.REQUESTER} let through, approved by alice@example.com"


@pytest.mark.parametrize("again", [True, False], ids=["as it was seen", "as a made-up review says"])
def test_a_use_that_was_seen_before_the_answer_is_an_event(monkeypatch: pytest.MonkeyPatch, *, again: bool) -> None:
    """It may have taken off what let it through. What is said of it afterwards makes it no less so."""
    recorder = Still(Bounds(), monkeypatch)
    decided = decide(deletion(stored={"annotations": approved()}), state(policy()))
    assert decided.change is not None
    written: list[Any] = []
    recorder._writer._resolver = Answers(objects=live(signing.DEPLOYMENT))
    monkeypatch.setattr(recorder._writer._events, "write", written.append)
    recorder.allowed(decided.change, decided.counted, seen=True)
    recorder.allowed(decided.change, decided.counted, seen=again)
    note = recorder._next_due()
    assert note is not None
    recorder._try_to_write(note)
    assert [each.reason for each in written] == ["LetThrough"]


def test_what_goes_down_with_a_namespace_is_told_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """For people and for the statement that they sign; what cannot be counted is left out."""
    namespace = target(NAMESPACES, "payments")
    protecting = policy(NAMESPACES)
    change = Change("dana", False, None, frozenset(), namespace, "v1", Action.DELETE, "", (protecting,))
    recorder, index = Still(Bounds(), monkeypatch), PolicyIndex([protecting])
    recorder._writer._resolver = Answers(holds={DEPLOYMENTS: [Item("checkout", "1")]})
    found = recorder._writer._impact(change, index)
    assert found is not None
    assert found.summary == "1 deployments"
    recorder._writer._resolver = Answers(unknown=[NamespaceContents])
    assert recorder._writer._impact(change, index) is None
    assert recorder._writer._impact(_change("d"), index) is None
