"""A cluster in memory: an API server that answers from Kubernetes documents alone, and knows nothing of the controller.

It serves reads, lists (whole objects and metadata alone, in pages), discovery (aggregated and plain), and
SubjectAccessReviews, which it answers from the roles and bindings among its documents. Nothing is written.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import unquote

Document = Mapping[str, Any]
_Objects = dict[tuple[str, str], dict[tuple[str, str], Document]]
"""By group and plural, and by namespace and name."""

_ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_CUSTOM_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_VERSION: Final = "1000"


@dataclass(frozen=True)
class Answer:
    """What the API server says. ``status`` is 0 where it says nothing in time."""

    status: int
    document: Document


@dataclass(frozen=True)
class _Served:
    """A resource by discovery. ``document`` is its APIResourceDiscovery (apidiscovery.k8s.io/v2)."""

    group: str
    version: str
    document: Document

    @property
    def plural(self) -> str:
        return str(self.document["resource"])

    @property
    def kind(self) -> str:
        return str(self.document["responseKind"]["kind"])

    @property
    def namespaced(self) -> bool:
        return bool(self.document["scope"] == "Namespaced")


@dataclass
class Cluster:
    """What the cluster holds (``documents``), serves beside its custom resources, and fails at.

    ``discovery`` holds the APIGroupDiscoveryLists of ``/api`` and ``/apis``. A fault is a ``path`` (``*`` stands for
    anything), the ``status`` that is answered there, 0 for no answer in time, and the ``method`` if it is for one only.
    ``earlier`` is what lists over all namespaces show of objects that have changed, or gone, since: what a watch has
    not seen yet.
    """

    documents: Sequence[Document]
    discovery: Mapping[str, Document]
    faults: Sequence[Document] = ()
    earlier: Sequence[Document] = ()

    def __post_init__(self) -> None:
        """Sort the documents by where they are served."""
        self._served = [*_listed(self.discovery), *_custom(self.documents)]
        kinds = {(each.group, each.kind): each for each in self._served}
        self._objects: _Objects = {}
        self._earlier: _Objects = {}
        for objects, documents in ((self._objects, self.documents), (self._earlier, self.earlier)):
            for document in documents:
                served = kinds[document["apiVersion"].rpartition("/")[0], document["kind"]]
                metadata = document["metadata"]
                place = (metadata.get("namespace", ""), metadata["name"])
                objects.setdefault((served.group, served.plural), {})[place] = document

    def request(
        self, method: str, path: str, query: Mapping[str, Any], accept: str, document: Document | None
    ) -> Answer:
        """Answer one request."""
        for fault in self.faults:
            if fnmatchcase(path, fault["path"]) and method == fault.get("method", method):
                return _status(fault["status"], "the cluster fails here")
        if method == "POST" and path == _ACCESS_REVIEWS and document is not None:
            return Answer(201, {**document, "status": {"allowed": self._allows(document["spec"])}})
        if method != "GET":
            return _status(405, "nothing is written here")
        return self._read(path, query, accept)

    def _read(self, path: str, query: Mapping[str, Any], accept: str) -> Answer:
        _, root, *parts = path.split("/")
        if not parts:
            return Answer(200, self._aggregated(root) if "apidiscovery" in accept else self._groups())
        group, version = ("", parts.pop(0)) if root == "api" else (parts.pop(0), parts.pop(0) if parts else "")
        if not version:
            return self._versions(group)
        served = [each for each in self._served if (each.group, each.version) == (group, version)]
        if not parts:
            return Answer(200, _plain(group, version, served)) if served else _status(404, "not served")
        namespace = parts[1] if len(parts) > 2 and parts[0] == "namespaces" else ""
        plural, *names = parts[2:] if namespace else parts
        if all(each.plural != plural for each in served):
            return _status(404, "not served")
        held = self._objects.get((group, plural), {})
        if names:
            found = held.get((namespace, unquote(names[0])))
            return _status(404, f"{plural} {names[0]} not found") if found is None else Answer(200, _as(found, accept))
        if not namespace:
            held = held | self._earlier.get((group, plural), {})
        items = [held[place] for place in sorted(held) if not namespace or place[0] == namespace]
        return Answer(200, _page(items, query, accept))

    def _aggregated(self, root: str) -> Document:
        groups: dict[str, dict[str, list[Document]]] = {}
        for each in self._served:
            if (root == "api") == (each.group == ""):
                groups.setdefault(each.group, {}).setdefault(each.version, []).append(each.document)
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": [
                {
                    "metadata": {"name": group} if group else {},
                    "versions": [
                        {"version": version, "resources": resources} for version, resources in versions.items()
                    ],
                }
                for group, versions in groups.items()
            ],
        }

    def _versions(self, group: str) -> Answer:
        """An APIGroup (meta/v1)."""
        found = dict.fromkeys(each.version for each in self._served if each.group == group)
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in found]
        return Answer(200, {"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": versions})

    def _groups(self) -> Document:
        """An APIGroupList (meta/v1), in which the version that was given first comes first."""
        versions: dict[str, dict[str, None]] = {}
        for each in self._served:
            if each.group:
                versions.setdefault(each.group, {})[f"{each.group}/{each.version}"] = None
        groups = [
            {"name": group, "versions": [{"groupVersion": one} for one in found]} for group, found in versions.items()
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def _allows(self, spec: Document) -> bool:
        """Answer as the API server's RBAC authorizer does (k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac)."""
        asked = spec["resourceAttributes"]
        place = asked.get("namespace", "")
        for plural in ("clusterrolebindings", "rolebindings"):
            for (namespace, _), binding in self._objects.get(("rbac.authorization.k8s.io", plural), {}).items():
                applies = plural == "clusterrolebindings" or (namespace == place != "")
                if applies and any(_is(each, spec, namespace) for each in binding.get("subjects") or ()):
                    rules = self._role(binding["roleRef"], namespace).get("rules") or ()
                    if any(_covers(rule, asked) for rule in rules):
                        return True
        return False

    def _role(self, ref: Document, namespace: str) -> Document:
        plural, place = ("clusterroles", "") if ref["kind"] == "ClusterRole" else ("roles", namespace)
        return self._objects.get(("rbac.authorization.k8s.io", plural), {}).get((place, ref["name"]), {})


def _listed(discovery: Mapping[str, Document]) -> Iterator[_Served]:
    for listed in discovery.values():
        for group in listed["items"]:
            for version in group["versions"]:
                for each in version["resources"]:
                    yield _Served(group["metadata"].get("name", ""), version["version"], each)


def _custom(documents: Iterable[Document]) -> Iterator[_Served]:
    for document in documents:
        if document["kind"] != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        names = spec["names"]
        for version in spec["versions"]:
            kind = {"group": spec["group"], "version": version["name"], "kind": names["kind"]}
            described = {
                "resource": names["plural"],
                "responseKind": kind,
                "scope": spec["scope"],
                "singularResource": names["singular"],
                "shortNames": names.get("shortNames", []),
                "verbs": list(_CUSTOM_VERBS),
            }
            yield _Served(spec["group"], version["name"], described)


def _plain(group: str, version: str, served: Sequence[_Served]) -> Document:
    resources: list[Document] = []
    for each in served:
        common = {"namespaced": each.namespaced, "kind": each.kind}
        resources.append(common | {"name": each.plural, "verbs": each.document["verbs"]})
        for below in each.document.get("subresources", ()):
            named = {"name": f"{each.plural}/{below['subresource']}", "kind": below["responseKind"]["kind"]}
            resources.append(common | named | {"verbs": below["verbs"]})
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _page(items: Sequence[Document], query: Mapping[str, Any], accept: str) -> Document:
    start, limit = int(query.get("continue", 0)), int(query.get("limit", 0)) or len(items)
    more = {"continue": str(start + limit)} if start + limit < len(items) else {}
    return {
        "kind": "List",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": _VERSION} | more,
        "items": [_as(each, accept) for each in items[start : start + limit]],
    }


def _as(document: Document, accept: str) -> Document:
    if "as=PartialObjectMetadata" not in accept:
        return document
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": document["metadata"],
    }


def _is(subject: Document, spec: Document, namespace: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        name = f"{_SERVICE_ACCOUNT}{subject.get('namespace', namespace)}:{subject['name']}"
        return bool(spec["user"] == name)
    return (
        subject["name"] in (spec.get("groups") or ()) if subject["kind"] == "Group" else subject["name"] == spec["user"]
    )


def _covers(rule: Document, asked: Document) -> bool:
    resource, below = asked["resource"], asked.get("subresource", "")
    spelled = {f"{resource}/{below}", f"*/{below}", "*"} if below else {resource, "*"}
    named = rule.get("resourceNames") or ()
    return (
        not {asked["verb"], "*"}.isdisjoint(rule["verbs"])
        and not {asked.get("group", ""), "*"}.isdisjoint(rule.get("apiGroups") or ())
        and not spelled.isdisjoint(rule.get("resources") or ())
        and (not named or asked.get("name", "") in named)
    )


def _status(code: int, message: str) -> Answer:
    return Answer(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message})
