"""Whom to tell that a deletion was refused to a GitOps controller: the object on whose word it was asked for.

Such a controller may forget what it could not delete, and whoever reads its object must find out.
"""

from dataclasses import dataclass
from typing import Final

from seconder.admission.principal import service_account
from seconder.admission.request import Metadata
from seconder.api.change_request import ChangeRequest, ChangeRequestStatus
from seconder.api.resources import Action, GroupResource, Target
from seconder.client.api import Api, ApiError

_LONGEST_NAME: Final = 253
_TRACKING_ID: Final = "argocd.argoproj.io/tracking-id"
"""``APPLICATION:GROUP/KIND:NAMESPACE/NAME``; the application may be ``NAMESPACE_NAME``."""

_FLUX: Final = (
    (GroupResource("kustomize.toolkit.fluxcd.io", "kustomizations"), "v1", "Kustomization"),
    (GroupResource("helm.toolkit.fluxcd.io", "helmreleases"), "v2", "HelmRelease"),
)
"""Flux labels what these manage with their namespace and name."""


@dataclass(frozen=True, slots=True)
class Manager:
    """An object of a GitOps controller, by what the objects that it manages carry. ``version``: of its kind."""

    resource: GroupResource
    version: str
    kind: str
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Its path in the API."""
        group, plural = self.resource
        return f"/apis/{group}/{self.version}/namespaces/{self.namespace}/{plural}/{self.name}"


def of(stored: Metadata, requester: str) -> Manager | None:
    """Who manages this object, as labels and annotations say; None for nobody that is known."""
    labels, annotations = stored.labels or {}, stored.annotations or {}
    for resource, version, kind in _FLUX:
        namespace, name = (labels.get(f"{resource.group}/{part}", "") for part in ("namespace", "name"))
        if namespace and name:
            return _usable(Manager(resource, version, kind, namespace, name))
    application, colon, _ = annotations.get(_TRACKING_ID, "").partition(":")
    account = service_account(requester)
    if not colon or account is None:
        return None
    namespace, underscore, name = application.partition("_")
    if not underscore:
        # Without a namespace of its own it is in the controller's.
        namespace, name = account[0], application
    return _usable(Manager(GroupResource("argoproj.io", "applications"), "v1alpha1", "Application", namespace, name))


def target(api: Api, manager: Manager) -> Target | None:
    """The manager as it stands; None where there is none, or it may not be read. Raises ApiError."""
    try:
        document = api.find(manager.path, metadata=True)
    except ApiError as error:
        if error.status != 403:
            raise
        return None
    if document is None:
        return None
    return Target(manager.resource, manager.kind, manager.namespace, manager.name, document["metadata"]["uid"])


def concerned(request: ChangeRequest) -> bool:
    """Whether a controller was refused a deletion. Agents and people know themselves what they asked for."""
    spec = request.spec
    return spec.action is Action.DELETE and not spec.by_agent and service_account(spec.requester) is not None


def note(request: ChangeRequest, status: ChangeRequestStatus) -> str:
    """What is said there, while the change request is open."""
    target_ = request.target
    refused = f"deletion of {target_.kind} {target_.path} was refused, and it stays: it needs approval"
    return f"{refused} ({status.progress}), change request {request.name}, before it is asked for again"


def _usable(manager: Manager) -> Manager | None:
    """None for what cannot be a name: whoever may write to an object may have written it."""
    plain = all(
        len(part) <= _LONGEST_NAME and part.isascii() and part.replace("-", "").replace(".", "").isalnum()
        for part in (manager.namespace, manager.name)
    )
    return manager if plain else None
