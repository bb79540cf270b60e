"""One admission request (AdmissionRequest of admission.k8s.io/v1) and what can be read from it alone."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from seconder.api.resources import JOBS, NAMESPACES, PODS, Target


class Operation(StrEnum):
    """``AdmissionRequest.operation``."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


WRITES: Final = frozenset({Operation.CREATE, Operation.UPDATE})
MUTATIONS: Final = WRITES | {Operation.DELETE}


class Malformed(Exception):
    """A review that cannot be decided.

    ``uid`` is the review's own, empty where there is none. ``detail`` holds no text that a client supplied.
    """

    def __init__(self, uid: str, detail: str) -> None:
        super().__init__(detail)
        self.uid = uid
        self.detail = detail


class Caller(Struct, frozen=True, gc=False):
    """``AdmissionRequest.userInfo``: what the API server authenticated, and nothing a client chose freely."""

    username: str
    groups: frozenset[str] = frozenset()
    extra: Mapping[str, tuple[str, ...]] = {}


class Owner(NamedTuple):
    """An entry of ``metadata.ownerReferences`` without its flags: whose end is this object's end."""

    api_version: str
    kind: str
    name: str
    uid: str

    @property
    def group(self) -> str:
        """The API group, without the version."""
        return self.api_version.rpartition("/")[0]


class OwnerReference(Struct, rename="camel", frozen=True, gc=False):
    """``OwnerReference`` (meta/v1)."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None

    @property
    def owner(self) -> Owner:
        """The owner that the reference names."""
        return Owner(self.api_version, self.kind, self.name, self.uid)


class Metadata(Struct, rename="camel", frozen=True, gc=False):
    """``ObjectMeta`` (meta/v1), as far as a decision rests on it."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[OwnerReference] | None = None
    deletion_timestamp: str | None = None

    @property
    def owners(self) -> frozenset[Owner]:
        """The owners, without the flags of their references."""
        return frozenset(reference.owner for reference in self.owner_references or ())

    @property
    def controller_owner(self) -> Owner | None:
        """The one owner that controls the object."""
        return next((reference.owner for reference in self.owner_references or () if reference.controller), None)


NO_METADATA: Final = Metadata()
NULL: Final = Raw(b"null")


class Options(Struct, rename="camel", frozen=True, gc=False):
    """``AdmissionRequest.options``: those of a creation, an update or a deletion."""

    field_manager: str = ""
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None


NO_OPTIONS: Final = Options()


class Request(Struct, frozen=True, gc=False, kw_only=True):
    """One admission request.

    ``old`` and ``new`` are the metadata of ``oldObject`` and ``object``, empty where these are null; ``old_spec`` and
    ``new_spec`` their ``spec`` as JSON, ``null`` where there is none. ``body`` is the whole review.
    """

    uid: str
    operation: Operation
    target: Target
    version: str
    subresource: str
    caller: Caller
    dry_run: bool = False
    options: Options = NO_OPTIONS
    old: Metadata = NO_METADATA
    new: Metadata = NO_METADATA
    old_spec: Raw = NULL
    new_spec: Raw = NULL
    body: bytes = b""

    @property
    def stored(self) -> Mapping[str, str]:
        """The annotations that the API server holds. Approvals are read from these alone."""
        return self.old.annotations or {}

    @property
    def incoming(self) -> Mapping[str, str]:
        """The annotations that it would hold afterwards; none on DELETE."""
        return self.new.annotations or {}

    @property
    def deletes(self) -> bool:
        """Whether it is the deletion of the object itself."""
        return self.operation is Operation.DELETE and not self.subresource

    @property
    def updates(self) -> bool:
        """Whether it changes a stored object, through whichever subresource."""
        return self.operation is Operation.UPDATE

    @property
    def added_owners(self) -> frozenset[Owner]:
        """The owners that an update gives to a stored object."""
        if self.operation is not Operation.UPDATE or not self.new.owner_references:
            return frozenset()
        # Asked by several rules. An object may have 16,000 owners, and few updates change any.
        if self.new.owner_references == self.old.owner_references:
            return frozenset()
        return self.new.owners - self.old.owners

    @property
    def changes_owners(self) -> bool:
        """Whether an update leaves other ``ownerReferences`` than there were, their flags included."""
        if self.operation is not Operation.UPDATE:
            return False
        return (self.old.owner_references or []) != (self.new.owner_references or [])

    @property
    def removes_finalizers(self) -> bool:
        """Whether an update takes a finalizer from an object under deletion.

        Of a Namespace through ``finalize`` before its deletion, too: it is then gone at the next one.
        """
        under_deletion = self.old.deletion_timestamp is not None or self.subresource == "finalize"
        if not under_deletion or self.operation is not Operation.UPDATE:
            return False
        return bool(
            _finalizers(self.target, self.old, self.old_spec) - _finalizers(self.target, self.new, self.new_spec)
        )

    @property
    def replicas(self) -> tuple[int | None, int | None]:
        """``spec.replicas`` as stored and as wanted, of the object or of its Scale."""
        return self._replicas(self.old_spec), self._replicas(self.new_spec)

    @property
    def evicts(self) -> bool:
        """Whether it evicts a pod (policy/v1 Eviction, CREATE on ``pods/eviction``), which ends the pod."""
        creates = self.operation is Operation.CREATE and self.subresource == "eviction"
        return creates and self.target.resource == PODS

    @property
    def may_end(self) -> bool:
        """Whether the object may go by it, now or later, and what the object owns with it.

        To an object under deletion a finalizer may be all that keeps what it owns from the garbage collector.
        """
        if self.operation is Operation.UPDATE:
            ends_by_itself = self.target.resource == JOBS and self._ends_by_itself
            return self.removes_finalizers or bool(self.added_owners) or ends_by_itself
        return self.deletes or self.evicts

    @property
    def _ends_by_itself(self) -> bool:
        """Whether a Job gets a time to live, or another: its controller deletes it that long after it is finished."""
        after = _time_to_live(self.new_spec)
        return after is not None and after != _time_to_live(self.old_spec)

    def _replicas(self, spec: Raw) -> int | None:
        """``spec.replicas``; None where there is no such field, or something else of that name."""
        try:
            replicas = _scaled.decode(spec).replicas
        except (msgspec.MsgspecError, RecursionError):
            replicas = None
        # A Scale of nothing leaves the number out.
        return 0 if replicas is None and self.subresource == "scale" else replicas


class _Scaled(Struct):
    replicas: int | None = None


class _Finished(Struct, rename="camel"):
    ttl_seconds_after_finished: int | None = None


class _Finalized(Struct):
    finalizers: list[str] | None = None


_scaled: Final = msgspec.json.Decoder(_Scaled)
_finished: Final = msgspec.json.Decoder(_Finished)
_finalized: Final = msgspec.json.Decoder(_Finalized)


def _time_to_live(spec: Raw) -> int | None:
    """``ttlSecondsAfterFinished`` of a Job; None where it has none, or what is no Job of batch/v1."""
    try:
        return _finished.decode(spec).ttl_seconds_after_finished
    except (msgspec.MsgspecError, RecursionError):
        return None


def _finalizers(target: Target, metadata: Metadata, spec: Raw) -> frozenset[str]:
    finalizers = frozenset(metadata.finalizers or ())
    if target.resource != NAMESPACES:
        return finalizers
    try:
        in_spec = _finalized.decode(spec).finalizers or ()
    except (msgspec.MsgspecError, RecursionError):
        in_spec = ()
    return finalizers | {f"spec.finalizers/{finalizer}" for finalizer in in_spec}
