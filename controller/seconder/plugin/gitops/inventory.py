"""What a GitOps controller manages, as it has written it down itself, and under whose name it deletes."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from seconder.api.text import clean
from seconder.api.type_reader import TypeReader
from seconder.client.api import Api
from seconder.plugin.gitops.identity import Identity
from seconder.plugin.terminal import resource_types
from seconder.plugin.terminal.problem import Problem
from seconder.plugin.terminal.resource_types import ResourceType

FLUX: Final = "kustomize.toolkit.fluxcd.io"
KUSTOMIZATION: Final = (FLUX, "Kustomization")
APPLICATION: Final = ("argoproj.io", "Application")
_FLUX_CONTROLLER: Final = ("flux-system", "kustomize-controller")
_ARGO_CONTROLLER: Final = "argocd-application-controller"

_SAME_OBJECTS: Final = frozenset(
    {
        "commonMetadata",
        "decryption",
        "deletionPolicy",
        "dependsOn",
        "force",
        "healthCheckExprs",
        "healthChecks",
        "images",
        "interval",
        "path",
        "postBuild",
        "prune",
        "retryInterval",
        "serviceAccountName",
        "sourceRef",
        "suspend",
        "targetNamespace",
        "timeout",
        "wait",
    }
)
"""Fields of a Kustomization's spec under which a directory renders to the same objects, or that are heeded here."""

_IN_CLUSTER: Final = frozenset({"https://kubernetes.default.svc", "in-cluster"})
_SYNC_OPTIONS: Final = "argocd.argoproj.io/sync-options"
_REPLACING: Final = ("Force=true", "Replace=true")

Kinds = Mapping[tuple[str, str], ResourceType]
"""What the cluster serves, by group and kind."""


class Controller(enum.Enum):
    """Whose marks on objects count."""

    FLUX = "Flux"
    ARGO = "Argo CD"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one object of a controller manages. ``owner`` names it for people.

    ``requester``: the user name under which it deletes. ``path``: the directory that it applies, where that is known.
    ``prunes``: whether it deletes what is not in Git any more. ``replaces``: it may delete and make anew what Git still
    has. ``namespace``: what it puts in the place of every namespace; empty for none. ``default_namespace``: of
    manifests that name none. ``other_rendering``: why a directory alone does not tell what it applies. ``notes`` are
    what is to be known beside.
    """

    controller: Controller
    owner: str
    requester: str
    entries: Sequence[Identity]
    path: str = ""
    prunes: bool = True
    replaces: bool = False
    namespace: str = ""
    default_namespace: str = ""
    other_rendering: str = ""
    notes: Sequence[str] = field(default=())


class _Entry(msgspec.Struct):
    id: str


class _Inventory(msgspec.Struct):
    entries: list[_Entry]


class _FluxStatus(msgspec.Struct):
    inventory: _Inventory | None = None


class _Resource(msgspec.Struct):
    kind: str
    name: str
    group: str = ""
    namespace: str = ""
    hook: bool = False


class _ArgoStatus(msgspec.Struct):
    resources: list[_Resource] | None = None


_flux: Final = TypeReader(_FluxStatus)
_argo: Final = TypeReader(_ArgoStatus)


def of_kustomization(api: Api, kinds: Kinds, reference: str, requester: str | None) -> Inventory:
    """The inventory of Flux's Kustomization ``NAMESPACE/NAME``. Raises Problem and ApiError."""
    document = _read(api, kinds, KUSTOMIZATION, reference, "--kustomization")
    spec = document.get("spec") or {}
    if spec.get("kubeConfig"):
        raise Problem(f"Kustomization {clean(reference)} applies to another cluster (kubeConfig): ask there")
    return flux_inventory(api, document, requester)


def flux_inventory(api: Api, document: Mapping[str, Any], requester: str | None) -> Inventory:
    """The inventory in a Kustomization. Raises Problem and ApiError."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    named = f"Kustomization {metadata['namespace']}/{metadata['name']}"
    try:
        status = _flux.convert(document.get("status") or {})
        entries = None if status.inventory is None else [entry(each.id) for each in status.inventory.entries]
    except (msgspec.ValidationError, ValueError) as error:
        raise Problem(f"the inventory of {clean(named)} cannot be read: {clean(str(error))}") from None
    if entries is None:
        raise Problem(f"{clean(named)} has no inventory: what a merge would delete is not known before it was applied")
    notes = []
    if spec.get("suspend"):
        notes.append(f"{named} is suspended: nothing happens until it is resumed")
    if not _ready(document):
        notes.append(f"{named} is not ready: its inventory is that of its last apply")
    others = sorted(set(spec) - _SAME_OBJECTS)
    return Inventory(
        Controller.FLUX,
        named,
        requester or _flux_requester(api, metadata["namespace"], str(spec.get("serviceAccountName") or "")),
        entries,
        path=str(spec.get("path") or ""),
        prunes=bool(spec.get("prune")),
        replaces=bool(spec.get("force")),
        namespace=str(spec.get("targetNamespace") or ""),
        other_rendering=f"{named} sets {', '.join(others)}" if others else "",
        notes=notes,
    )


def of_application(api: Api, kinds: Kinds, reference: str, requester: str | None) -> Inventory:
    """What an Application of Argo CD, ``NAMESPACE/NAME``, manages by its status. Raises Problem and ApiError."""
    document = _read(api, kinds, APPLICATION, reference, "--application")
    metadata, spec = document["metadata"], document.get("spec") or {}
    named = f"Application {metadata['namespace']}/{metadata['name']}"
    destination = spec.get("destination") or {}
    if not _IN_CLUSTER & {destination.get("server"), destination.get("name")}:
        raise Problem(f"{clean(named)} applies to another cluster: ask there")
    try:
        resources = _argo.convert(document.get("status") or {}).resources
    except msgspec.ValidationError as error:
        raise Problem(f"the status of {clean(named)} cannot be read: {clean(str(error))}") from None
    if resources is None:
        raise Problem(f"{clean(named)} tells of no resources: what a merge would delete is not known")
    options = (spec.get("syncPolicy") or {}).get("syncOptions") or []
    source = spec.get("source") or {}
    others = sorted(set(source) - {"repoURL", "path", "targetRevision"}) or ([] if source else ["sources"])
    return Inventory(
        Controller.ARGO,
        named,
        requester or _existing(api, metadata["namespace"], _ARGO_CONTROLLER),
        [Identity(each.group, each.kind, each.namespace, each.name) for each in resources if not each.hook],
        path=str(source.get("path") or ""),
        replaces=any(option in options for option in _REPLACING),
        default_namespace=str(destination.get("namespace") or ""),
        other_rendering=f"{named} sets {', '.join(others)}" if others else "",
    )


def of_selector(api: Api, kinds: Kinds, selector: str, requester: str) -> Inventory:
    """Everything in the cluster with these labels, but for what other objects control. Raises ApiError."""
    found = []
    for (group, kind), served in sorted(kinds.items()):
        if not served.kept:
            continue
        path = resource_types.path(served.resource, served.version, "", "").rstrip("/")
        for item in api.items(path, metadata_only=True, labelSelector=selector)[0]:
            metadata = item["metadata"]
            if not any(owner.get("controller") for owner in metadata.get("ownerReferences") or ()):
                found.append(Identity(group, kind, metadata.get("namespace", ""), metadata["name"]))
    return Inventory(Controller.NONE, f"what is labelled {selector}", requester, found)


def disabled(controller: Controller, document: Mapping[str, Any]) -> bool:
    """Whether the object itself says that this controller must not prune it."""
    if controller is Controller.FLUX:
        return any(_marked(document, f"{FLUX}/{name}", "disabled") for name in ("prune", "reconcile"))
    return controller is Controller.ARGO and "Prune=false" in _options(document)


def replaced(controller: Controller, document: Mapping[str, Any]) -> bool:
    """Whether a manifest says that this controller may delete the object and make it anew."""
    if controller is Controller.FLUX:
        return _marked(document, f"{FLUX}/force", "enabled")
    return controller is Controller.ARGO and any(option in _options(document) for option in _REPLACING)


def _marked(document: Mapping[str, Any], key: str, value: str) -> bool:
    """As AnyInMetadata of fluxcd/pkg/ssa tells: in labels or annotations, whatever the case."""
    metadata = document.get("metadata") or {}
    return any(str((metadata.get(place) or {}).get(key, "")).lower() == value for place in ("labels", "annotations"))


def _options(document: Mapping[str, Any]) -> list[str]:
    text = str(((document.get("metadata") or {}).get("annotations") or {}).get(_SYNC_OPTIONS, ""))
    return [option.strip() for option in text.split(",")]


def _read(api: Api, kinds: Kinds, kind: tuple[str, str], reference: str, flag: str) -> Mapping[str, Any]:
    namespace, slash, name = reference.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise Problem(f"{flag} {clean(reference)} is not NAMESPACE/NAME")
    served = kinds.get(kind)
    if served is None:
        raise Problem(f"this cluster does not serve {kind[1]} ({kind[0]})")
    document = api.find(resource_types.path(served.resource, served.version, namespace, name))
    if document is None:
        raise Problem(f"there is no {kind[1]} {clean(reference)}")
    found: Mapping[str, Any] = document
    return found


def entry(text: str) -> Identity:
    """Read ``namespace_name_group_kind``, as ObjMetadata of cli-utils writes it. Raises ValueError."""
    namespace, first, rest = text.partition("_")
    rest, second, kind = rest.rpartition("_")
    name, third, group = rest.rpartition("_")
    if not (first and second and third and kind and name):
        raise ValueError(f"{text!r} is no entry of an inventory")
    # Colons in names of roles are written so.
    return Identity(group, kind, namespace, name.replace("__", ":"))


def _ready(document: Mapping[str, Any]) -> bool:
    conditions = (document.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _flux_requester(api: Api, namespace: str, account: str) -> str:
    if account:
        return f"system:serviceaccount:{namespace}:{account}"
    return _existing(api, *_FLUX_CONTROLLER)


def _existing(api: Api, namespace: str, account: str) -> str:
    if api.find(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}", metadata=True) is None:
        raise Problem(
            f"the controller is not {clean(namespace)}/{account} here: say under which user name it deletes, with "
            "--requester"
        )
    return f"system:serviceaccount:{namespace}:{account}"
