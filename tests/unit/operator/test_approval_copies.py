"""Each approval goes from its change request to its object once, whatever fails and whoever leads by then."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.support import signing
from tests.support.builders import policy, state
from tests.support.change_requests import recorded
from tests.support.served import Served

from seconder.admission.recorded import effect_of
from seconder.admission.request import NO_METADATA, Metadata
from seconder.api import change_request, constants
from seconder.api.change_request import ChangeRequest
from seconder.client.api import ApiError
from seconder.client.approval_writes import own_slug
from seconder.operator.approval_copies import _TRIES, WITHDRAWN, Carried, Copier, told

POLICY = policy()
STATE = state(POLICY)
_ALICE = "approval.seconder.dev/alice"
_NAME = recorded(POLICY).name
_OBJECT = "/apis/apps/v1/namespaces/payments/deployments/checkout"
_STATUS = f"{change_request.PATH}/{_NAME}/status"
VALUE = signing.approval()
ANEW = signing.approval(jti="f" * 32)


class _Cluster(Served):
    """The API server with one change request and one object, and what is to go wrong before and after a write."""

    def __init__(self, **approvals: str) -> None:
        super().__init__()
        self.request = recorded(POLICY)
        self.annotations: dict[str, str] = {}
        self.version = 10
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None
        self.older = False
        self.offer(**approvals)

    def offer(self, **approvals: str) -> None:
        """Have these, and no others, on the change request."""
        given = {f"approval.seconder.dev/{slug}": value for slug, value in approvals.items()}
        self._write(msgspec.structs.replace(self.request, metadata=self.request.metadata | {"annotations": given}))

    def put(self, key: str, value: str | None) -> None:
        """Write an annotation of the object."""
        self.version += 1
        self.annotations = {name: text for name, text in {**self.annotations, key: value}.items() if text is not None}

    def _write(self, request: ChangeRequest) -> None:
        version = str(int(request.metadata["resourceVersion"]) + 1)
        self.request = msgspec.structs.replace(request, metadata=request.metadata | {"resourceVersion": version})

    def _call(self, method: str, path: str, document: Any = None, **_: Any) -> Any:
        self.before(method)
        if method == "PUT":
            assert path == _STATUS
            if document["metadata"]["resourceVersion"] != self.request.metadata["resourceVersion"]:
                raise ApiError(409, "it was written meanwhile")
            status = change_request.parse(document).status
            if self.older:
                status = msgspec.structs.replace(status, copied=[])
            self._write(msgspec.structs.replace(self.request, status=status))
            answer: Any = msgspec.to_builtins(self.request)
        else:
            assert path == _OBJECT
            if isinstance(document, list):
                key = document[-1]["path"].removeprefix("/metadata/annotations/").replace("~1", "/")
                if self.annotations.get(key) != document[-2]["value"]:
                    raise ApiError(422, "testing value failed")
                self.put(key, None)
            elif method == "PATCH":
                given = document["metadata"]
                if given.get("resourceVersion", str(self.version)) != str(self.version):
                    raise ApiError(409, "it was changed meanwhile")
                for key, value in given["annotations"].items():
                    self.put(key, value)
            answer = {
                "metadata": {
                    "uid": signing.DEPLOYMENT.uid,
                    "resourceVersion": str(self.version),
                    "annotations": dict(self.annotations),
                }
            }
        self.after(method)
        return answer

    def look(self, now: float = signing.NOW) -> Carried:
        """Look at it as an operator does that has just begun to lead, and write the status that it should have."""
        stored = Metadata(uid=signing.DEPLOYMENT.uid, annotations=dict(self.annotations))
        effect = effect_of(self.request, NO_METADATA)
        carrying = Carried(self.request, self.request.status, stored)
        seen = Copier(self, signing.memo()).carry(carrying, effect, STATE, now)
        self._write(msgspec.structs.replace(self.request, status=seen.status))
        return seen


def _failing(method: str, status: int) -> Callable[[str], None]:
    """Have each request of this method fail so."""

    def fail(asked: str) -> None:
        if asked == method:
            raise ApiError(status, "no")

    return fail


def _nothing(_: str) -> None:
    """Have nothing go wrong."""


def test_what_was_copied_and_taken_off_is_not_copied_again() -> None:
    """It is said; and what is signed anew is copied, since it is another approval."""
    cluster = _Cluster(alice=VALUE)
    seen = cluster.look()
    assert seen.stored.annotations == cluster.annotations == {_ALICE: VALUE}
    cluster.put(_ALICE, None)
    seen = cluster.look()
    assert cluster.annotations == {}
    said = told(seen.status, seen.withdrawn).approvals
    assert [(each.name, each.approver, each.reason) for each in said] == [("alice", "alice@example.com", WITHDRAWN)]
    cluster.offer(alice=ANEW)
    seen = cluster.look()
    assert (cluster.annotations, list(seen.withdrawn)) == ({_ALICE: ANEW}, [])


def test_what_was_withdrawn_and_comes_back_is_taken_off_again() -> None:
    """A Deployment that is taken back to a ReplicaSet gets its annotations again, those that were taken off too."""
    cluster = _Cluster(alice=VALUE)
    cluster.look()
    cluster.put(_ALICE, None)
    cluster.look()
    assert [copy.withdrawn for copy in cluster.request.status.copied] == [True]
    cluster.put(_ALICE, VALUE)
    assert cluster.look().stored.annotations == cluster.annotations == {}


def test_what_an_old_view_of_the_object_lacks_is_not_withdrawn() -> None:
    """Only what the API server says at this moment is."""
    cluster = _Cluster(alice=VALUE)
    cluster.look()
    there, cluster.annotations = cluster.annotations, {}

    def see(method: str) -> None:
        if method == "GET":
            cluster.annotations = there

    cluster.before = see
    cluster.look()
    assert [copy.withdrawn for copy in cluster.request.status.copied] == [False]
    assert cluster.annotations == {_ALICE: VALUE}


def test_what_stood_on_both_without_being_copied_is_not_copied_after_it_was_taken_off() -> None:
    """Somebody may have put it on the object by hand."""
    cluster = _Cluster(alice=VALUE)
    cluster.put(_ALICE, VALUE)
    cluster.look()
    cluster.put(_ALICE, None)
    cluster.look()
    assert cluster.annotations == {}


def test_what_is_taken_off_the_change_request_goes_from_the_object() -> None:
    """Under whatever name it stands there; and what never stood on the change request stays."""
    cluster = _Cluster(alice=VALUE)
    cluster.put(_ALICE, ANEW)
    cluster.look()
    copied = {key for key in cluster.annotations if cluster.annotations[key] == VALUE}
    assert len(copied) == 1
    assert copied != {_ALICE}
    cluster.offer()
    seen = cluster.look()
    assert seen.stored.annotations == cluster.annotations == {_ALICE: ANEW}
    cluster.offer(alice=VALUE)
    cluster.look()
    assert cluster.annotations == {_ALICE: ANEW}


@pytest.mark.parametrize("status", [0, 500, 504])
def test_a_copy_without_an_answer_is_made_once(status: int) -> None:
    """The object's revision tells whether it was made; if that is another by now, it counts as made."""
    made = _Cluster(alice=VALUE)
    made.after = _failing("PATCH", status)
    assert made.look().trouble is not None
    assert made.annotations == {_ALICE: VALUE}
    made.after = _nothing
    made.put(_ALICE, None)
    assert made.look().withdrawn
    assert made.annotations == {}

    lost = _Cluster(alice=VALUE)
    lost.before = _failing("PATCH", status)
    assert lost.look().trouble is not None
    lost.before = _nothing
    lost.look()
    assert lost.annotations == {_ALICE: VALUE}

    unknown = _Cluster(alice=VALUE)
    unknown.before = _failing("PATCH", status)
    unknown.look()
    unknown.before = _nothing
    unknown.put("another", "note")
    assert unknown.look().withdrawn
    assert unknown.annotations == {"another": "note"}


def test_a_copy_that_was_refused_is_tried_again() -> None:
    """The right to patch may come later than the approval."""
    cluster = _Cluster(alice=VALUE)
    cluster.before = _failing("PATCH", 403)
    assert cluster.look().trouble is not None
    cluster.put("another", "note")
    cluster.before = _nothing
    cluster.look()
    assert cluster.annotations == {"another": "note", _ALICE: VALUE}


def test_nobody_keeps_an_approval_off_an_object_by_writing_to_it() -> None:
    """However often; and it is copied once all the same."""
    cluster = _Cluster(alice=VALUE)

    def write(method: str) -> None:
        if method == "PUT":
            cluster.put("another", "note")

    cluster.after = write
    assert cluster.look().trouble is None
    own = f"{constants.APPROVAL_PREFIX}{own_slug('alice', VALUE)}"
    assert cluster.annotations == {"another": "note", own: VALUE}
    cluster.put(own, None)
    assert cluster.look().withdrawn


def _meanwhile(cluster: _Cluster, anew: str | None) -> Callable[[str], None]:
    """Write to the object before each patch; put an approval there before the one that minds no revision."""
    patches: list[str] = []

    def write(method: str) -> None:
        if method == "PATCH":
            patches.append(method)
            cluster.put("another", f"note {len(patches)}")
            if len(patches) == _TRIES and anew:
                cluster.put(_ALICE, anew)

    return write


def test_what_an_approver_puts_there_at_that_moment_stays() -> None:
    """However often the object has been written to by then."""
    cluster = _Cluster(alice=VALUE)
    cluster.before = _meanwhile(cluster, ANEW)
    cluster.look()
    assert cluster.annotations.pop("another") == f"note {_TRIES}"
    assert sorted(cluster.annotations.values()) == sorted([VALUE, ANEW])
    assert cluster.annotations[_ALICE] == ANEW


@pytest.mark.parametrize("anew", [None, ANEW])
def test_nobody_keeps_a_withdrawn_approval_on_an_object_by_writing_to_it(anew: str | None) -> None:
    """And only that one goes: its name may be another approval's by then."""
    cluster = _Cluster(alice=VALUE)
    cluster.look()
    cluster.offer()
    cluster.before = _meanwhile(cluster, anew)
    cluster.look()
    assert cluster.annotations.get(_ALICE) == anew


def test_nothing_is_copied_from_a_change_request_that_is_another_by_now() -> None:
    """The approval may have been taken off it, which the watch tells a moment later."""
    cluster = _Cluster(alice=VALUE)
    before = cluster.request

    def take_off(method: str) -> None:
        if method == "GET" and cluster.request is before:
            cluster.offer()

    cluster.after = take_off
    assert cluster.look().trouble is None
    assert cluster.annotations == {}


def test_nothing_is_copied_where_it_cannot_be_noted() -> None:
    """The API server drops what the definition of ChangeRequests does not name."""
    cluster = _Cluster(alice=VALUE)
    cluster.older = True
    trouble = cluster.look().trouble
    assert trouble is not None
    assert "older" in str(trouble)
    assert cluster.annotations == {}


def test_a_copy_is_forgotten_when_its_approval_has_been_over_for_an_hour() -> None:
    """The next leader's clock may be another."""
    cluster = _Cluster(alice=VALUE)
    cluster.look()
    cluster.look(signing.NOW + 800 + 3599)
    assert [copy.approver for copy in cluster.request.status.copied] == ["alice@example.com"]
    cluster.look(signing.NOW + 800 + 3601)
    assert cluster.request.status.copied == []
