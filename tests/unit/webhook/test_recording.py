"""What a refusal may leave behind is bounded before anything is written."""

from typing import cast

import pytest
from tests.support import signing

from seconder.core.change import Change
from seconder.core.reasons import Reason
from seconder.core.request import Action, GroupResource, Target
from seconder.kube.api import Api
from seconder.kube.credentials import Credentials
from seconder.kube.snapshot import Snapshot
from seconder.kube.watch import Watch
from seconder.webhook.recording import Bounds, Recorder


class Still(Recorder):
    """A recorder whose threads are not started; its view is as the test says, and it has no API server to write to."""

    def __init__(self, bounds: Bounds, monkeypatch: pytest.MonkeyPatch, age: float = 0.0) -> None:
        api = Api(Credentials("https://127.0.0.1:1", b""), user_agent="test")
        super().__init__(api, cast(Snapshot, None), lambda _what, _error: None, bounds=bounds)
        monkeypatch.setattr(Watch, "age", lambda _: age)


def _change(name: str, requester: str = signing.REQUESTER) -> Change:
    target = Target(GroupResource("apps", "deployments"), "Deployment", "payments", name, "uid-1")
    return Change(requester, True, "kiro", frozenset(), target, "v1", Action.DELETE, "", ())


def _noted(recorder: Recorder, count: int, requester: str = signing.REQUESTER) -> int:
    changes = [_change(f"d{number}", requester) for number in range(count)]
    return sum(recorder.refused(change, Reason.APPROVAL_MISSING) for change in changes)


def test_one_requester_opens_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves the rest to others."""
    recorder = Still(Bounds(open_of_one=5, open_in_all=8), monkeypatch)
    assert _noted(recorder, 100) == 5
    assert _noted(recorder, 100, "another") == 3
    assert _noted(recorder, 100, "a third") == 0


def test_notes_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the shares are."""
    recorder = Still(Bounds(notes=4), monkeypatch)
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


def test_a_use_of_what_was_never_refused_takes_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is nothing to bring up to date."""
    recorder = Still(Bounds(notes=1), monkeypatch)
    recorder.allowed(_change("never refused"), ())
    assert recorder.refused(_change("d"), Reason.APPROVAL_MISSING), "its place was not taken by the use"
