"""What the API server asks about, in the core's own words."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from seconder.admission.rbac import BindingEdit, RoleEdit
from seconder.api.resources import Target


class Operation(StrEnum):
    """``AdmissionRequest.operation`` of admission.k8s.io/v1."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


class Caller(Struct, frozen=True, gc=False):
    """``AdmissionRequest.userInfo``: what the API server authenticated, and nothing a client chose freely."""

    username: str
    groups: frozenset[str] = frozenset()
    extra: Mapping[str, tuple[str, ...]] = {}


class TokenRequest(Struct, frozen=True, gc=False):
    """What is asked of a ServiceAccount's token: for how many seconds, and whether it lives and ends with an object."""

    seconds: int
    bound: bool = False


class Reference(NamedTuple):
    """An object that another names by its kind, in its own namespace."""

    api_version: str
    kind: str
    name: str

    @property
    def group(self) -> str:
        """The API group, without the version."""
        return self.api_version.rpartition("/")[0]


class Owner(NamedTuple):
    """An entry of ``metadata.ownerReferences``: whose end is this object's end."""

    api_version: str
    kind: str
    name: str
    uid: str

    @property
    def group(self) -> str:
        """The API group, without the version."""
        return self.api_version.rpartition("/")[0]


class State(Struct, frozen=True, gc=False):
    """What an update may take away. ``leaving``: deletion has begun. ``replicas`` is None where there is no such field.

    ``finalizers`` holds a Namespace's ``spec.finalizers`` too.
    """

    finalizers: frozenset[str] = frozenset()
    owners: frozenset[Owner] = frozenset()
    replicas: int | None = None
    leaving: bool = False


class Request(Struct, frozen=True, gc=False):
    """One admission request.

    ``stored`` are the annotations that the API server holds (``oldObject``), ``incoming`` those that it would hold
    afterwards (``object``; empty on DELETE). Approvals are read from ``stored`` alone. ``token`` is set for a
    ServiceAccount's ``token`` alone, ``orphans`` for a DELETE that leaves what the object owns, ``before`` and
    ``after`` for an UPDATE, ``rbac`` for a role or binding that is written, ``secret_type`` for a Secret that is.
    ``runs_as`` names the ServiceAccount of the pods that are made or changed. ``shrinks`` is what an autoscaler is told
    that it may scale to nothing, ``maker`` the controller of a ReplicaSet that is deleted.
    """

    uid: str
    operation: Operation
    target: Target
    subresource: str
    caller: Caller
    field_manager: str
    dry_run: bool
    stored: Mapping[str, str]
    incoming: Mapping[str, str]
    version: str = ""
    token: TokenRequest | None = None
    orphans: bool = False
    before: State | None = None
    after: State | None = None
    rbac: RoleEdit | BindingEdit | None = None
    secret_type: str = ""
    runs_as: str = ""
    shrinks: Reference | None = None
    maker: Owner | None = None
