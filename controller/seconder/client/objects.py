"""Reads objects' metadata and lists what namespaces hold, several at a time and within a deadline."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Final, NamedTuple

import msgspec

from seconder.admission.changes.differences import exact
from seconder.admission.indirect import aliases, claiming, claims, hosts, references, selectors
from seconder.admission.indirect.aliases import Alias
from seconder.admission.indirect.scaling import SCALED_OBJECTS
from seconder.admission.kinds import AUTOSCALER, CLAIMS, MAKERS, POD, VOLUMES
from seconder.admission.lookups import (
    Adopting,
    AliasedBy,
    Called,
    Claim,
    Claimant,
    Claimants,
    Controlled,
    ControlledIn,
    DaemonSet,
    FreeVolume,
    FreeVolumes,
    HeldResource,
    Holder,
    Holders,
    Hosting,
    NamespaceContents,
    Naming,
    ObjectRef,
    OfClass,
    Overlapping,
    Placed,
    PodsOn,
    ReadObjects,
    ReadWhole,
    ReplicaSet,
    ReplicaSets,
    Scaled,
    ScaledBy,
    Selected,
    Selecting,
    Sharing,
    Tokens,
    Uncontrolled,
)
from seconder.admission.request import Metadata
from seconder.api.label_selector import selects
from seconder.api.resources import DAEMON_SETS, REPLICA_SETS, GroupResource, ResolvedResource, Target
from seconder.api.type_reader import TypeReader
from seconder.approvals.impact import Contents, Item
from seconder.client.api import Api, ApiError, collection, segment

_PAGE: Final = 500
_MOST: Final = 50_000
"""Objects of one resource that a namespace's contents may count."""

_MOST_KINDS: Final = 1024
_MOST_READ: Final = 16_384
_MOST_BYTES: Final = 8 * 1024 * 1024
"""Kinds, objects and bytes that are read for what custom resources name. A MiB takes up to 0.6 s of a processor."""

TOKENS_ALONE: Final = "type=kubernetes.io/service-account-token"
ACCOUNT_KEY: Final = "kubernetes.io/service-account.name"
"""The type of a Secret that holds a token, as a field selector, and the annotation that says whose (core/v1)."""


class TooLate(Exception):
    """The deadline has passed, or a bound was reached."""


def left(deadline: float) -> float:
    """The seconds until a deadline of ``time.monotonic``. Raises TooLate."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TooLate("too late")
    return seconds


def items(api: Api, path: str, deadline: float, *, metadata_only: bool = False, **query: str) -> Iterator[Any]:
    """The objects of a collection, of which no more than a page is held at once. Raises ApiError and TooLate."""
    for page, _ in api.pages(path, metadata_only=metadata_only, timeout=left(deadline), **query):
        yield from page
        left(deadline)


class Objects:
    """Reads objects, safe to use from several threads. ``pool`` runs the parts of one question side by side."""

    def __init__(self, api: Api, pool: ThreadPoolExecutor) -> None:
        self._api = api
        self._pool = pool
        self._reading = Lock()

    def read(self, lookup: ReadObjects, deadline: float) -> dict[ObjectRef, Metadata]:
        """Read objects' metadata; what is not there is left out. Raises ApiError and TooLate."""
        if len(lookup.refs) == 1:
            objects: Iterable[Metadata | None] = [self._one(lookup.refs[0], deadline)]
        else:
            objects = self._pool.map(lambda ref: self._one(ref, deadline), lookup.refs, timeout=left(deadline))
        read = zip(lookup.refs, objects, strict=True)
        return {ref: metadata for ref, metadata in read if metadata is not None}

    def _one(self, ref: ObjectRef, deadline: float) -> Metadata | None:
        path = f"{collection(ref.resource, ref.namespace)}/{segment(ref.name)}"
        document = self._api.find(path, timeout=left(deadline), metadata=True)
        return None if document is None else metadata_of(document)

    def whole(self, lookup: ReadWhole, deadline: float) -> Mapping[str, Any] | None:
        """Read an object with all of its fields; None where it is not there. Raises ApiError and TooLate."""
        ref = lookup.ref
        path = f"{collection(ref.resource, ref.namespace)}/{segment(ref.name)}"
        document: Mapping[str, Any] | None = self._api.find(path, timeout=left(deadline), decode=exact.decode)
        return document

    def contents(self, lookup: NamespaceContents, deadline: float) -> Contents:
        """List what a namespace holds. Raises ApiError and TooLate."""
        listed = self._pool.map(
            lambda held: self._held(held, lookup.namespace, deadline), lookup.held, timeout=left(deadline)
        )
        return {held.resource.resource: items for held, items in zip(lookup.held, listed, strict=True)}

    def _held(self, held: HeldResource, namespace: str, deadline: float) -> list[Item]:
        path = collection(held.resource, namespace)
        items_found: list[Item] = []
        query = {"limit": str(_PAGE if held.whole else 1)}
        while True:
            items, token = self._api.page(path, timeout=left(deadline), **query)
            items_found += [Item(*_identified(item["metadata"], "name", "uid")) for item in items]
            # A page may be empty although others follow.
            if not token or (items_found and not held.whole):
                return items_found
            if len(items_found) > _MOST:
                raise TooLate(f"more than {_MOST} {held.resource.resource}")
            query["continue"] = token

    def pods_on(self, lookup: PodsOn, deadline: float) -> list[Placed]:
        """List the pods on a node. Raises ApiError and TooLate."""

        def wanted(metadata: Mapping[str, Any]) -> bool:
            return not lookup.daemons or "DaemonSet" in _controllers(metadata)

        path = f"/api/v1/namespaces/{lookup.namespace}/pods" if lookup.namespace else "/api/v1/pods"
        return self._placed(path, deadline, wanted, fieldSelector=f"spec.nodeName={lookup.node}")

    def uncontrolled(self, lookup: Uncontrolled, deadline: float) -> list[Placed]:
        """List the objects of some labels that no controller has. Raises ApiError and TooLate."""
        path = collection(lookup.kind, lookup.namespace)
        return self._placed(path, deadline, lambda each: not _controllers(each), labelSelector=lookup.selector)

    def controlled(self, lookup: ControlledIn, deadline: float) -> list[Controlled]:
        """List the objects of a kind that have a controller, by that. Raises ApiError and TooLate."""
        path = collection(lookup.kind, lookup.namespace)
        found = []
        for each in items(self._api, path, deadline, metadata_only=True):
            if lookup.by and lookup.by not in _controllers(each["metadata"], "uid"):
                continue
            metadata = metadata_of(each)
            if owner := metadata.controller_owner:
                found.append(Controlled(Placed(metadata.namespace, metadata.name, metadata.uid), owner))
        return found

    def tokens(self, lookup: Tokens, deadline: float) -> list[Placed]:
        """List the Secrets that hold tokens of a ServiceAccount: their metadata alone. Raises ApiError and TooLate."""

        def wanted(metadata: Mapping[str, Any]) -> bool:
            return (metadata.get("annotations") or {}).get(ACCOUNT_KEY) == lookup.account

        path = f"/api/v1/namespaces/{segment(lookup.namespace)}/secrets"
        return self._placed(path, deadline, wanted, fieldSelector=TOKENS_ALONE)

    def selecting(self, lookup: Selecting, deadline: float) -> list[Target]:
        """List what selects some labels. Raises ApiError and TooLate."""
        labels, but = dict(lookup.labels), None if lookup.but is None else dict(lookup.but)
        lost = () if but is None else labels.keys() - but.keys()

        def wanted(kind: ResolvedResource, each: Mapping[str, Any]) -> bool:
            spec = each.get("spec")
            if not selectors.fits(kind.resource, spec, labels, lookup.made_by):
                return False
            return but is None or not selectors.fits(kind.resource, spec, but, lookup.made_by, lost)

        return self._workloads(lookup, wanted, deadline)

    def adopting(self, lookup: Adopting, deadline: float) -> list[Target]:
        """List what would take what an object controls. Raises ApiError and TooLate."""
        told = [] if lookup.labels is None else [_Left(lookup.namespace, "", dict(lookup.labels))]

        def left_of(taken: ResolvedResource) -> list[_Left]:
            found = items(self._api, collection(taken, lookup.namespace), deadline, metadata_only=True)
            theirs = (each["metadata"] for each in found if lookup.uid in _controllers(each["metadata"], "uid"))
            return [*told, *(_Left(each["namespace"], each["name"], each.get("labels") or {}) for each in theirs)]

        left_behind = list(self._pool.map(left_of, (taken for taken, _ in lookup.takers), timeout=left(deadline)))
        taken_by: dict[ResolvedResource, list[tuple[GroupResource, list[_Left]]]] = {}
        for (taken, kinds), there in zip(lookup.takers, left_behind, strict=True):
            for kind in kinds if there else ():
                taken_by.setdefault(kind, []).append((taken.resource, there))

        def takers(kind: ResolvedResource) -> list[Target]:
            found: list[Target] = []
            for each in items(self._api, collection(kind, lookup.namespace), deadline):
                left(deadline)
                namespace, name, uid = _identified(each["metadata"], *Placed._fields)
                taker = Target(kind.resource, kind.kind, namespace, name, uid)
                if any(_takes(taker, each.get("spec"), taken, there) for taken, there in taken_by[kind]):
                    found.append(taker)
            return found

        listed = self._pool.map(takers, taken_by, timeout=left(deadline))
        return [taker for found in listed for taker in found]

    def replica_sets(self, lookup: ReplicaSets, deadline: float) -> list[ReplicaSet]:
        """List the ReplicaSets that have some labels. Raises ApiError and TooLate."""
        found = []
        path = collection(MAKERS[REPLICA_SETS], lookup.namespace)
        for each in items(self._api, path, deadline, labelSelector=lookup.selector):
            metadata, spec = each["metadata"], each.get("spec") or {}
            pods = msgspec.Raw(msgspec.json.encode((spec.get("template") or {}).get("spec")))
            controller = metadata_of(each).controller_owner
            found.append(ReplicaSet(controller, spec.get("replicas", 1), pods, "deletionTimestamp" in metadata))
        return found

    def selected(self, lookup: Selected, deadline: float) -> list[Target]:
        """List the workloads whose pods a selector may fit. Raises ApiError and TooLate."""

        def wanted(kind: ResolvedResource, each: Mapping[str, Any]) -> bool:
            return selectors.may_select(lookup.selector, kind.resource, selectors.labels_of_pods(each.get("spec")))

        return self._workloads(lookup, wanted, deadline)

    def sharing(self, lookup: Sharing, deadline: float) -> list[Target]:
        """List the workloads that select what a selector fits as well. Raises ApiError and TooLate."""
        asked = {"labelSelector": selectors.text(lookup.selector)}
        found = items(self._api, collection(POD, lookup.namespace), deadline, metadata_only=True, **asked)
        there = {lookup.labels, *(selectors.pairs(each["metadata"].get("labels") or {}) for each in found)}
        labelled = [dict(labels) for labels in there]

        def wanted(kind: ResolvedResource, each: Mapping[str, Any]) -> bool:
            left(deadline)
            spec = each.get("spec")
            made = selectors.may_select(lookup.selector, kind.resource, selectors.labels_of_pods(spec))
            return made or any(selectors.fits(kind.resource, spec, labels) for labels in labelled)

        return self._workloads(lookup, wanted, deadline)

    def _workloads(
        self,
        lookup: Selecting | Selected | Sharing,
        wanted: Callable[[ResolvedResource, Mapping[str, Any]], bool],
        deadline: float,
    ) -> list[Target]:
        def listed(kind: ResolvedResource) -> list[Target]:
            found = items(self._api, collection(kind, lookup.namespace), deadline)
            named = (each["metadata"] for each in found if wanted(kind, each))
            return [Target(kind.resource, kind.kind, lookup.namespace, each["name"], each["uid"]) for each in named]

        found = self._pool.map(listed, lookup.kinds, timeout=left(deadline))
        return [target for targets in found for target in targets]

    def free_volumes(self, lookup: FreeVolumes, deadline: float) -> list[FreeVolume]:
        """List the volumes that wait for a claim. Raises ApiError and TooLate."""
        path = collection(VOLUMES)
        if lookup.names:
            read = (self._api.find(f"{path}/{segment(name)}", timeout=left(deadline)) for name in lookup.names)
            found: Iterable[Any] = filter(None, read)
        else:
            found = items(self._api, path, deadline)
        return [volume for each in found if (volume := claiming.free_volume(each))]

    def claims(self, deadline: float) -> list[Claim]:
        """List all claims. Raises ApiError and TooLate."""
        return [claiming.stored_claim(each) for each in items(self._api, collection(CLAIMS), deadline)]

    def claimants(self, lookup: Claimants, deadline: float) -> list[Claimant]:
        """List the StatefulSets of a namespace by the claims that they name. Raises ApiError, TooLate and Unknown."""
        return [claims.claimant(each) for each in items(self._api, collection(claims.SETS, lookup.namespace), deadline)]

    def daemon_sets(self, deadline: float) -> list[DaemonSet]:
        """List all DaemonSets. Raises ApiError and TooLate."""
        found = []
        for each in items(self._api, collection(MAKERS[DAEMON_SETS]), deadline):
            namespace, name, uid = _identified(each["metadata"], *Placed._fields)
            found.append(DaemonSet(namespace, name, uid, each["spec"]["template"]["spec"]))
        return found

    def scaling(self, lookup: ScaledBy, deadline: float) -> list[Target]:
        """List the autoscalers of a target, and their controllers. Raises ApiError and TooLate."""
        found = []
        for document in items(self._api, collection(AUTOSCALER, lookup.namespace), deadline):
            named = document["spec"]["scaleTargetRef"]
            group = named.get("apiVersion", "").rpartition("/")[0]
            if Scaled(group, named["kind"], named["name"]) not in lookup.scaled:
                continue
            metadata = metadata_of(document)
            found.append(Target(AUTOSCALER.resource, AUTOSCALER.kind, lookup.namespace, metadata.name, metadata.uid))
            owner = metadata.controller_owner
            if owner and (owner.group, owner.kind) == (SCALED_OBJECTS.group, "ScaledObject"):
                found.append(Target(SCALED_OBJECTS, owner.kind, lookup.namespace, owner.name, owner.uid))
        return found

    def of_class(self, lookup: OfClass, deadline: float) -> list[Placed]:
        """List the Ingresses of a class. Raises ApiError and TooLate."""
        found = items(self._api, collection(lookup.kind), deadline)
        wanted = (each for each in found if (each.get("spec") or {}).get("ingressClassName") == lookup.name)
        return [Placed(*_identified(each["metadata"], *Placed._fields)) for each in wanted]

    def called(self, lookup: Called, deadline: float) -> list[Placed]:
        """List what is called so, wherever it is. Raises ApiError and TooLate."""
        names = frozenset(lookup.names)
        one = {"fieldSelector": f"metadata.name={lookup.names[0]}"} if len(names) == 1 else {}
        try:
            found = items(self._api, collection(lookup.kind), deadline, metadata_only=True, **one)
            named = [each["metadata"] for each in found if each["metadata"]["name"] in names]
        except ApiError as error:
            # Nobody acts on objects of a kind that is not served.
            if error.status != 404:
                raise
            return []
        return [Placed(*_identified(each, *Placed._fields)) for each in named]

    def namings(self, kinds: Iterable[ResolvedResource], namespace: str, deadline: float) -> list[Naming]:
        """Read what objects of some custom kinds name. ``namespace``: empty for all. Raises ApiError and TooLate."""
        bound = _Bound()

        def named_by(kind: ResolvedResource) -> set[Naming]:
            named = set()
            try:
                for each in items(self._api, collection(kind, namespace), deadline):
                    # One at a time: it is all processor time, and the reviews of people go on beside it.
                    with self._reading:
                        left(deadline)
                        bound.take(each)
                        found = references.found(each)
                    if found.named or found.more:
                        named.add(Naming(each["metadata"].get("namespace", ""), found))
            except ApiError as error:
                # Nobody acts on objects of a kind that is not served.
                if error.status != 404:
                    raise
            return named

        asked = [kind for kind in kinds if references.judged(kind.resource)]
        if len(asked) > _MOST_KINDS:
            raise TooLate(f"more than {_MOST_KINDS} kinds")
        return [*set[Naming]().union(*self._pool.map(named_by, asked, timeout=left(deadline)))]

    def hosting(self, lookup: Hosting, deadline: float) -> list[Placed]:
        """List the Ingresses that have some hosts. Raises ApiError and TooLate."""
        wanted = hosts.Hosts(lookup.hosts)
        return [
            Placed(*_identified(each["metadata"], *Placed._fields))
            for each in items(self._api, collection(lookup.kind), deadline)
            if wanted.meet(hosts.told(each.get("spec"), each["metadata"].get("annotations")))
        ]

    def overlapping(self, lookup: Overlapping, deadline: float) -> list[Placed]:
        """List what may select the same as a selector. Raises ApiError and TooLate."""
        return [
            Placed(*_identified(each["metadata"], *Placed._fields))
            for each in items(self._api, collection(lookup.kind, lookup.namespace), deadline)
            if selectors.may_overlap(lookup.selector, lookup.kind.resource, each.get("spec"))
        ]

    def holders(self, lookup: Holders, deadline: float) -> list[Holder]:
        """List what holds storage in a namespace. Raises ApiError and TooLate."""
        found = []
        part, field = lookup.bound
        try:
            for each in items(self._api, collection(lookup.kind, lookup.namespace), deadline):
                if name := (each.get(part) or {}).get(field):
                    found.append(Holder(each["metadata"]["uid"], name))
        except ApiError as error:
            # Nobody acts on objects of a kind that is not served.
            if error.status != 404:
                raise
        return found

    def _placed(
        self, path: str, deadline: float, wanted: Callable[[Mapping[str, Any]], bool], **query: str
    ) -> list[Placed]:
        query["limit"] = str(_PAGE)
        found: list[Placed] = []
        while True:
            objects, token = self._api.page(path, timeout=left(deadline), **query)
            metadata = [each["metadata"] for each in objects]
            found += [Placed(*_identified(each, *Placed._fields)) for each in metadata if wanted(each)]
            if not token:
                return found
            if len(found) > _MOST:
                raise TooLate(f"more than {_MOST} objects")
            query["continue"] = token

    def aliased(self, lookup: AliasedBy, deadline: float) -> frozenset[tuple[GroupResource, str]]:
        """What objects in a namespace stand for, by resource and name. Raises ApiError and TooLate."""
        # Nobody acts on objects of a kind that is not served.
        groups = self._api.get("/apis", timeout=left(deadline))["groups"]
        served = {group["name"]: [each["groupVersion"] for each in group["versions"]] for group in groups}
        asked = [alias for alias in lookup.aliases if alias.resource.group in served]
        found = self._pool.map(
            lambda alias: self._aliased(alias, served[alias.resource.group], lookup.namespace, deadline),
            asked,
            timeout=left(deadline),
        )
        return frozenset((alias.of, name) for alias, stood_for in zip(asked, found, strict=True) for name in stood_for)

    def _aliased(self, alias: Alias, versions: Sequence[str], namespace: str, deadline: float) -> frozenset[str]:
        # Another kind may have brought a version of its own to the group, which is then the preferred one.
        for version in versions:
            path = f"/apis/{version}/namespaces/{segment(namespace)}/{segment(alias.resource.resource)}"
            names = frozenset[str]()
            metadata_only = alias.path.startswith("metadata.")
            try:
                for document in items(self._api, path, deadline, metadata_only=metadata_only):
                    names |= _stands_for(alias, document)
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                return names
        # A kind of no namespace has none here.
        return frozenset()


def _identified(metadata: Mapping[str, Any], *fields: str) -> Iterable[str]:
    """Some fields that each object has. Raises TooLate where one does not: another server than Kubernetes' gave it."""
    missing = [field for field in fields if not isinstance(metadata.get(field), str)]
    if missing:
        raise TooLate(f"an object has no {missing[0]}: the server that answers for its kind keeps to no rule")
    return [metadata[field] for field in fields]


def _controllers(metadata: Mapping[str, Any], field: str = "kind") -> list[str]:
    """The kind of what controls an object, or another field of its reference."""
    return [owner[field] for owner in metadata.get("ownerReferences") or () if owner.get("controller")]


class _Bound:
    """Counts what is read for one question, and ends that where it is too much."""

    def __init__(self) -> None:
        self._objects = 0
        self._bytes = 0

    def take(self, document: Mapping[str, Any]) -> None:
        """Note an object. Raises TooLate."""
        self._objects += 1
        self._bytes += sum(len(msgspec.json.encode(each)) for key, each in document.items() if key != "metadata")
        if self._objects > _MOST_READ or self._bytes > _MOST_BYTES:
            raise TooLate(f"more than {_MOST_READ} custom resources, or {_MOST_BYTES >> 20} MiB of them")


class _Left(NamedTuple):
    """What some object controls. ``name``: empty where it is not known."""

    namespace: str
    name: str
    labels: Mapping[str, str]


def _takes(taker: Target, spec: Any, taken: GroupResource, there: Iterable[_Left]) -> bool:
    """Whether a workload would take some of these, which are objects of one kind."""
    try:
        selector = selectors.selector_of(taker.resource, spec)
    except ValueError:
        return True
    return any(
        each.namespace == taker.namespace
        and selects(selector, each.labels)
        and selectors.takes(taker, taken, each.name)
        for each in there
    )


def _stands_for(alias: Alias, document: Any) -> frozenset[str]:
    told = aliases.names(alias, document)
    if told is None:
        raise TooLate(f"{alias.resource} without {alias.path}")
    return told


_metadata: Final = TypeReader(Metadata)


def metadata_of(document: Any) -> Metadata:
    """The metadata of an object as the API server gives it. Raises msgspec.ValidationError."""
    return _metadata.convert(document["metadata"])
