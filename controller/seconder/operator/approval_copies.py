"""Approvals on their way from a change request to its object: each goes once, and a withdrawal holds in both places.

What is to be copied is noted in the change request's status before it is, with the revision of the object that may get
it. So whoever leads next knows whether it has been: while the object is of that revision it has not. A copy whose end
nobody knows, since the API server gave no answer and the object is another by now, counts as made.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from seconder.admission.request import Metadata
from seconder.admission.review import Effect
from seconder.admission.state import ClusterState
from seconder.api import change_request, constants
from seconder.api.change_request import MOST_COPIED, ApprovalDoc, ChangeRequest, ChangeRequestStatus, CopyDoc
from seconder.approvals import statement
from seconder.approvals.verification import Approval, Memo, approvals_of, claimed
from seconder.client import approval_writes
from seconder.client.api import Api, ApiError, collection, segment
from seconder.operator import change_request_status as phases

WITHDRAWN: Final = "ApprovalWithdrawn"
"""Why an approval on a change request does not count that its object has carried and carries no more."""

_WITHDRAWN: Final = "it was taken off the object and is not copied again: whoever approves it still signs anew"
_OLDER: Final = "nothing is copied: the definition of ChangeRequests is older than this operator, apply the CRDs"
_KEPT_FOR: Final = timedelta(hours=1)
"""How long a copy is remembered after its approval's end, by whatever clock the next leader has."""

_TRIES: Final = 4
"""In one look, at an object that others write to."""


class Carried(msgspec.Struct, frozen=True):
    """A change request as it is stored, the status that it should have, and its object after all was carried.

    ``withdrawn`` are approvals on the change request that are not copied again. ``trouble`` is what went wrong.
    """

    request: ChangeRequest
    status: ChangeRequestStatus
    stored: Metadata
    withdrawn: Sequence[Approval] = ()
    trouble: ApiError | None = None


class Copier:
    """Copies approvals from change requests to objects, and takes off objects what was withdrawn."""

    def __init__(self, api: Api, memo: Memo) -> None:
        self._api = api
        self._memo = memo

    def carry(self, seen: Carried, effect: Effect, state: ClusterState, now: float) -> Carried:
        """Copy what counts for this change and was not withdrawn; take off what the change request has no more.

        ``now`` is in seconds since 1970.
        """
        offered = approvals_of(seen.request.metadata.get("annotations") or {})
        if not offered and not seen.status.copied:
            return seen
        shown = phases.presented(seen.request, effect.difference, offered, state, now, self._memo)
        offer = Offer(offered, shown.approvals)
        kept = [copy for copy in seen.status.copied if not _past(copy, now)]
        seen = _with(seen, offer.noted(kept, _approvals(seen.stored)))
        again = True
        try:
            for left in reversed(range(_TRIES)):
                if not again or not offer.unsettled(seen.status.copied, _approvals(seen.stored)):
                    break
                seen, again = self._move(seen, offer, effect, state, now, last=left == 0)
        except ApiError as error:
            seen = msgspec.structs.replace(seen, trouble=error)
        withdrawn = offer.withdrawn(seen.status.copied, _approvals(seen.stored))
        return msgspec.structs.replace(seen, withdrawn=withdrawn)

    def _move(
        self, seen: Carried, offer: "Offer", effect: Effect, state: ClusterState, now: float, *, last: bool
    ) -> tuple[Carried, bool]:
        """Do what is left to do of the object as it stands; and whether it changed meanwhile. Raises ApiError.

        ``last``: do it whatever revision the object has by then. Nobody keeps approvals off it by writing to it.
        """
        path = f"{collection(effect.ref.resource, effect.ref.namespace)}/{segment(effect.ref.name)}"
        found = self._api.find(path, metadata=True)
        if found is None or found["metadata"]["uid"] != seen.stored.uid:
            return seen, False
        version, annotations = found["metadata"]["resourceVersion"], found["metadata"].get("annotations") or {}
        seen = msgspec.structs.replace(seen, stored=msgspec.structs.replace(seen.stored, annotations=annotations))
        there = _approvals(seen.stored)
        seen = _with(seen, offer.noted(seen.status.copied, there, version))
        due = offer.due(seen.status.copied, there)
        changes: dict[str, str | None] = {
            constants.APPROVAL_PREFIX + slug: None for slug in offer.strays(seen.status.copied, there)
        }
        for approval in due:
            value = offer.values[approval.slug]
            slug = phases.place(approval.slug, value, there, state, now, self._memo)
            # Somebody else may put an approval under that name at this moment.
            slug = approval_writes.own_slug(approval.slug, value) if last else slug
            changes[constants.APPROVAL_PREFIX + slug] = value
        if not changes:
            return seen, False
        begun = _begun(seen.status.copied, due, "" if last else version)
        if begun != seen.status.copied:
            request = self._note(seen.request, msgspec.structs.replace(seen.status, copied=begun))
            if request is None:
                # Written or removed by somebody else meanwhile: the watch brings it round again.
                return seen, False
            seen = msgspec.structs.replace(seen, request=request)
        try:
            self._write(path, seen.stored, changes, None if last else version)
        except ApiError as error:
            unknown = error.status == 0 or error.status >= 500
            seen = _with(seen, begun) if unknown else seen
            changed = error.status == 409
            return msgspec.structs.replace(seen, trouble=None if changed else error), changed
        after = {key: value for key, value in {**annotations, **changes}.items() if value is not None}
        seen = msgspec.structs.replace(seen, stored=msgspec.structs.replace(seen.stored, annotations=after))
        return _with(seen, offer.noted(begun, _approvals(seen.stored))), False

    def _write(self, path: str, stored: Metadata, changes: Mapping[str, str | None], version: str | None) -> None:
        """Put approvals on an object, and take off others, while it is of a revision; None: of whatever revision.

        Of another one only what is as it was goes, and what is put has names of its own. Raises ApiError.
        """
        # The uid makes it fail where another object has taken the name meanwhile, the revision where it has changed.
        if version is not None:
            metadata = {"uid": stored.uid, "annotations": changes, "resourceVersion": version}
            self._api.merge(path, {"metadata": metadata}, fieldManager=constants.APPROVAL_MANAGER)
            return
        put = {key: value for key, value in changes.items() if value}
        if put:
            metadata = {"uid": stored.uid, "annotations": put}
            self._api.merge(path, {"metadata": metadata}, fieldManager=constants.APPROVAL_MANAGER)
        for slug, value in _approvals(stored).items():
            key = f"{constants.APPROVAL_PREFIX}{slug}"
            if key in changes and key not in put:
                approval_writes.take(self._api, path, stored.uid, slug, value)

    def _note(self, request: ChangeRequest, status: ChangeRequestStatus) -> ChangeRequest | None:
        """Write down what is to be copied; None where the change request is another by now. Raises ApiError."""
        path = f"{change_request.PATH}/{request.name}/status"
        try:
            stored = change_request.parse(self._api.replace(path, change_request.with_status(request, status)))
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            return None
        if stored.status.copied != status.copied:
            raise ApiError(0, _OLDER)
        metadata = request.metadata | {"resourceVersion": stored.metadata["resourceVersion"]}
        return msgspec.structs.replace(request, metadata=metadata, status=stored.status)


class Offer:
    """What stands on a change request: ``values`` by their slugs, and ``counting``, those that count for the change.

    ``copied`` is what was copied from it so far, ``there`` the values on its object by their slugs.
    """

    def __init__(self, values: Mapping[str, str], counting: Sequence[Approval]) -> None:
        self.values = values
        self._named = set(_identities(values).values())
        self._counting = {statement.identity(approval.statement): approval for approval in counting}

    def noted(self, copied: Sequence[CopyDoc], there: Mapping[str, str], version: str | None = None) -> list[CopyDoc]:
        """What was copied, with what is seen there.

        ``version``: the object's, where it was read at this moment. What was to be copied to another revision was, or
        is lost; what has stood there and does no more was withdrawn.
        """
        carried = set(_identities(there).values())
        known = [
            msgspec.structs.replace(copy, version="")
            if copy.statement in carried or version not in {None, copy.version}
            else copy
            for copy in copied
        ]
        if version is not None:
            known = [
                msgspec.structs.replace(copy, withdrawn=True) if self._left(copy, carried) else copy for copy in known
            ]
        before = {copy.statement for copy in copied}
        new = (self._counting[each] for each in self._counting if each in carried and each not in before)
        return [*known, *(_copy(approval, "") for approval in new)][:MOST_COPIED]

    def due(self, copied: Sequence[CopyDoc], there: Mapping[str, str]) -> list[Approval]:
        """What is still to be copied."""
        over = {copy.statement for copy in copied if not copy.version} | set(_identities(there).values())
        room = MOST_COPIED - len(copied)
        known = {copy.statement for copy in copied}
        left = [each for each in self._counting if each not in over]
        new = [each for each in left if each not in known][:room]
        return [self._counting[each] for each in left if each in known or each in new]

    def strays(self, copied: Sequence[CopyDoc], there: Mapping[str, str]) -> list[str]:
        """The slugs on the object of what was taken off the change request, or off the object and has come back.

        A Deployment's annotations come back with the ReplicaSet to which somebody takes it back.
        """
        withdrawn = {copy.statement for copy in copied if copy.withdrawn or copy.statement not in self._named}
        return [slug for slug, identity in _identities(there).items() if identity in withdrawn]

    def withdrawn(self, copied: Sequence[CopyDoc], there: Mapping[str, str]) -> list[Approval]:
        """What would count, but was taken off the object."""
        over = {copy.statement for copy in copied if not copy.version} - set(_identities(there).values())
        return [approval for identity, approval in self._counting.items() if identity in over]

    def unsettled(self, copied: Sequence[CopyDoc], there: Mapping[str, str]) -> bool:
        """Whether the object, or what is noted of it, should be another."""
        carried = set(_identities(there).values())
        left = any(self._left(copy, carried) and not copy.withdrawn for copy in copied)
        return left or bool(self.due(copied, there) or self.strays(copied, there))

    @staticmethod
    def _left(copy: CopyDoc, carried: Collection[str]) -> bool:
        return not copy.version and copy.statement not in carried


def told(status: ChangeRequestStatus, withdrawn: Sequence[Approval]) -> ChangeRequestStatus:
    """The status of an open one that says which approvals on it were withdrawn from its object."""
    shown = {approval.name for approval in status.approvals}
    docs = [
        ApprovalDoc(name=approval.slug[:63], approver=approval.statement.iss, reason=WITHDRAWN, message=_WITHDRAWN)
        for approval in withdrawn
        if approval.slug[:63] not in shown
    ]
    return msgspec.structs.replace(status, approvals=[*status.approvals, *docs][: phases.MOST_SHOWN])


def _begun(copied: Sequence[CopyDoc], due: Sequence[Approval], version: str) -> list[CopyDoc]:
    known = {copy.statement for copy in copied}
    new = [_copy(approval, version) for approval in due]
    return [*copied, *(copy for copy in new if copy.statement not in known)]


def _copy(approval: Approval, version: str) -> CopyDoc:
    made = approval.statement
    ends = change_request.stamp(datetime.fromtimestamp(made.exp, UTC))
    return CopyDoc(statement=statement.identity(made), approver=made.iss, expires_at=ends, version=version)


def _past(copy: CopyDoc, now: float) -> bool:
    ends = change_request.moment(copy.expires_at)
    return ends is not None and (ends + _KEPT_FOR).timestamp() < now


def _with(seen: Carried, copied: list[CopyDoc]) -> Carried:
    return msgspec.structs.replace(seen, status=msgspec.structs.replace(seen.status, copied=copied))


def _approvals(stored: Metadata) -> Mapping[str, str]:
    return approvals_of(stored.annotations or {})


def _identities(values: Mapping[str, str]) -> dict[str, str]:
    """What the statement of each of these values is told by, by their slugs; without those that are none."""
    read = ((slug, claimed(value)) for slug, value in values.items())
    return {slug: statement.identity(claims) for slug, claims in read if claims is not None}
