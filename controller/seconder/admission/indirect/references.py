"""What a custom resource names: an object by its kind and name, or one whose whole manifest it holds.

Of kinds that are only named, those are looked for that run pods, and those of which some objects are Seconder's own.

Which program acts on it, and how, is not known: rollouts, schedules, restorers and packages scale what they name to
nothing, write it over, or delete it with themselves. Nor is in which form a program is told, and so a kind is looked
for in whatever says one: a value, one level below, a field's name, a text with a name behind it. A name is one where a
field means names. Lists of verbs, groups, namespaces and the like are none, and no program finds its objects by them.
A template's placeholder is no name.
"""

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from seconder.admission import installation
from seconder.admission.coverage import NAME
from seconder.admission.indirect import scaling
from seconder.admission.indirect.aliases import NAMES
from seconder.admission.indirect.named import Found, Named
from seconder.admission.kinds import KUBERNETES_GROUPS, MAKERS, METRICS_GROUPS, POD_RUNNERS
from seconder.api import constants
from seconder.api.resources import ANY, NAMESPACES, GroupResource, ResolvedResource
from seconder.approvals import change

PASSED_OVER: Final = frozenset(
    {
        *(GroupResource(group, ANY) for group in KUBERNETES_GROUPS | METRICS_GROUPS | {constants.DOMAIN}),
        *scaling.SIZERS,
        scaling.VERTICAL,
    }
)
"""Kinds that are no custom ones, and those custom ones of which rules tell what they do to what they name."""

_CHANGE_REQUEST: Final = constants.KINDS["changerequests"]

_MOST: Final = 1024
"""Names that are looked at, and namespaces; of more nobody tells what they name."""

_NAMESPACE: Final = NAMES[NAMESPACES]

_SHORT: Final[Mapping[str, Collection[str]]] = {
    "approverauthorities": ("apra",),
    "approvers": ("apr",),
    "changerequests": ("chg",),
    "cronjobs": ("cj",),
    "customresourcedefinitions": ("crd", "crds"),
    "daemonsets": ("ds",),
    "deployments": ("deploy",),
    "namespaces": ("ns",),
    "protectionpolicies": ("ppol",),
    "replicasets": ("rs",),
    "replicationcontrollers": ("rc",),
    "statefulsets": ("sts",),
}
"""What kubectl takes for kinds as well."""


def _spellings(kind: ResolvedResource) -> Collection[str]:
    plural = kind.resource.resource
    return kind.kind.casefold(), plural, *_SHORT.get(plural, ())


_KINDS: Final[Mapping[str, ResolvedResource]] = {
    spelling: kind for kind in MAKERS.values() if kind.resource in POD_RUNNERS for spelling in _spellings(kind)
}
"""Workloads. Services are none: routes name them all day, and only send there."""

_OWN: Final[Mapping[str, ResolvedResource]] = {
    spelling: kind
    for kind in (
        ResolvedResource(resource, "v1", namespaced=False, custom=False, kind=kind)
        for kind, resource in installation.NAMED.items()
    )
    for spelling in _spellings(kind)
}
"""Kinds of which some objects are Seconder's own."""


def _short(kinds: Iterable[ResolvedResource]) -> str:
    """An expression for what kubectl takes for some kinds as well, where it is a word of its own."""
    said = (each for kind in kinds for each in _SHORT.get(kind.resource.resource, ()))
    return rf"(?<![\w-])(?:{'|'.join(sorted(said))})[./:]"


_OWN_SPELLED: Final = re.compile(
    "|".join((*(kind[:-1] for kind in sorted(installation.NAMED)), _short(set(_OWN.values())))), re.IGNORECASE
)
_SPELLED: Final = re.compile(f"deployment|set|job|controller|{_short(set(_KINDS.values()))}", re.IGNORECASE)
"""What a text has in it that says a kind."""

_LONGEST: Final = 320
"""Characters of a kind and a name in one text."""

_LONGEST_FIELD: Final = 128
"""Characters of a field's name that may mean something."""

_MEAN_KINDS: Final = ("gk", "gvk", "gvr", "kind", "kindname", "resource", "type", "typemeta")
"""How the fields end whose texts are kinds, or that hold some one level below.

Words are run together, without regard to capitals, and an s at the end is left out.
"""

_LIST_KINDS: Final = ("gks", "gvks", "gvrs", "kinds")
"""Those of them whose lists hold kinds one level below; what else lists objects lists what each means by itself."""

_MEAN_NAMES: Final = (
    *("app", "application", "id", "identifier", "instance", "item", "member", "meta", "metadata", "name", "object"),
    *("ref", "reference", "target", "workload"),
)
"""How the fields end, in the same way, whose texts are names, or that hold such fields."""

_OTHERS: Final = (
    *("account", "chart", "claim", "class", "cluster", "configmap", "container", "database", "display", "driver"),
    *("file", "host", "image", "key", "map", "metric", "namespace", "node", "path", "port", "profile", "release"),
    *("repository", "role", "scheduler", "secret", "user", "volume"),
)
_OF_OTHERS: Final = tuple(other + end for other in _OTHERS for end in ("name", "ref", "reference"))
"""How those of them end whose names are of something else."""

_LABELS: Final = ("annotation", "attribute", "label", "matcher", "selector", "tag")
"""How the fields end, in the same way, whose maps of texts have anybody's keys and values."""

_PLACES: Final = (
    *("branch", "commit", "dir", "directory", "expr", "file", "folder", "href", "image", "key", "path", "query"),
    *("record", "repo", "repository", "revision", "tag", "topic", "topicname", "uri", "url"),
)
"""How the fields end, in the same way, whose texts are places in storage, on the web or among figures.

``deploy/checkout`` is a folder there, unless the field says of what it is a place: ``workloadPath``.
"""

_SPELLINGS: Final = ("controller", "deployment", "job", "set")
_BEHIND: Final = ("app", "batch", "list")
_ENDS: Final = tuple(
    end + more for end in (*_MEAN_KINDS, *_MEAN_NAMES, *_LABELS, *_PLACES, *_SPELLINGS, *_BEHIND) for more in ("", "s")
)
"""How all fields end that mean something."""

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")

_KIND_WITHIN: Final = re.compile(
    r"(?:.*(?P<long>(?:stateful-?set|daemon-?set|replica-?set|deployment|cron-?job|replication-?controller)s?)"
    r"|(?:.*-)?(?P<short>jobs?))"
    rf"(?P<more>(?:-?(?:list|{'|'.join(_MEAN_NAMES)})s?)*)"
)
"""A field's name, in words, that says a kind: at its end, or before a word that means names."""

_READING: Final = frozenset({"get", "list", "watch"})

_PATH: Final = re.compile(
    r"(?:.*/)?(?:api|apis/(?P<group>[^/]+))/v\d\w*/(?:namespaces/(?P<namespace>[^/]+)/(?P<kind>[^/]+)/(?P<name>[^/]+)(?:/.*)?"
    r"|(?P<own>[^/]+)/(?P<called>[^/]+)/?)"
)
"""A path of the API: of an object in a namespace, or of one in none."""

_INVENTORY: Final = re.compile(
    r"(?P<namespace>[a-z0-9-]*)_(?P<name>[A-Za-z0-9](?:[A-Za-z0-9.:-]|__)*)_(?P<group>[a-z0-9.-]*)_(?P<kind>[A-Z][A-Za-z0-9]*)"
)
"""An object in the inventory of what is pruned, as cli-utils writes it, Flux's among them. A colon is two of those."""

_GROUPS: Final = re.compile(r"apps|batch|core|v\d\w*")
"""What stands before a kind in a text, but for a namespace."""


class _Field(NamedTuple):
    """What a field's name means.

    ``kind``: it says one. ``holder``: and the keys of its map are names. ``kinds``, ``names``, ``labels``, ``places``:
    what its value holds. ``listed``: kinds, in a list of objects.
    """

    kind: ResolvedResource | None = None
    holder: bool = False
    kinds: bool = False
    listed: bool = False
    names: bool = False
    labels: bool = False
    places: bool = False


_NOTHING: Final = _Field()


def judged(resource: GroupResource) -> bool:
    """Whether it matters what objects of a kind name."""
    return PASSED_OVER.isdisjoint({resource, GroupResource(resource.group, ANY)})


def found(*documents: Mapping[str, Any]) -> Found:
    """All that stands in the fields of some objects, but for their metadata and in labels and annotations."""
    named: set[Named] = set()
    namespaces: set[str] = set()
    # Not by recursion: it may be nested as deeply as the API server takes it. Each with what the field means.
    waiting: list[tuple[Any, _Field]] = [
        ({key: each for key, each in document.items() if key not in {"apiVersion", "kind", "metadata"}}, _NOTHING)
        for document in documents
    ]
    while waiting:
        value, within = waiting.pop()
        for each in _named_in(value, waiting, namespaces, within):
            named.add(each)
            if len(named) > _MOST:
                return Found(frozenset(), frozenset(), more=True)
    alone = any(not each.namespace for each in named)
    return Found(frozenset(named), frozenset(namespaces), more=alone and len(namespaces) > _MOST)


def _named_in(value: Any, waiting: list[tuple[Any, _Field]], namespaces: set[str], within: _Field) -> Iterator[Named]:
    """What a value within a field names, but for what stands further below: that is put to ``waiting``."""
    labels = within.labels
    if isinstance(value, dict):
        fields = {}
        for key, each in value.items():
            meant = fields[key] = _field(key)
            if key == "ns" or "amespace" in key:
                namespaces.update(filter(_NAMESPACE.fullmatch, _texts(each)))
            # Of labels, the texts are anybody's.
            if isinstance(each, str):
                if not labels:
                    yield from _told(each, place=meant.places or (within.places and not meant.names))
            elif isinstance(each, dict | list):
                waiting.append((each, meant))
        yield from _named(value, fields, labels=labels)
    elif isinstance(value, list):
        waiting += [(each, within) for each in value]
    elif isinstance(value, str) and not labels:
        yield from _told(value, place=within.places)


def workload(text: str) -> ResolvedResource | None:
    """The kind of workload that a text is, in whatever way kubectl takes it: ``Deployment``, ``deployments.apps``."""
    return _KINDS.get(text.partition(".")[0].casefold())


def _own(text: str) -> ResolvedResource | None:
    """The same for a kind of which some are Seconder's own."""
    said, _, group = text.partition(".")
    kind = _OWN.get(said.casefold())
    return kind if kind is not None and group in _groups_of(kind) else None


def _groups_of(kind: ResolvedResource) -> tuple[str, ...]:
    """What may stand behind the kind in a text."""
    return ("", kind.resource.group, f"{kind.version}.{kind.resource.group}")


def _field(key: str) -> _Field:
    # Most mean nothing, which is told soonest by this.
    if len(key) > _LONGEST_FIELD or not key.casefold().endswith(_ENDS):
        return _NOTHING
    return _meaning(key)


@functools.lru_cache(maxsize=2048)
def _meaning(key: str) -> _Field:
    words = _WORDS.sub("-", key).casefold()
    word = words.replace("-", "")
    base = word.removesuffix("s")
    kind, holder = _kind_within(words)
    kinds = kind is None and base.endswith(_MEAN_KINDS)
    return _Field(
        kind=kind,
        holder=holder,
        kinds=kinds,
        listed=kinds and word.endswith(_LIST_KINDS),
        names=not kinds and base.endswith(_MEAN_NAMES) and not base.endswith(_OF_OTHERS),
        labels=base.endswith(_LABELS),
        places=_says_place(word) or _says_place(base),
    )


def _says_place(word: str) -> bool:
    end = next((end for end in _PLACES if word.endswith(end)), None)
    of = word.removesuffix(end or "").removesuffix("s")
    return end is not None and not of.endswith((*_MEAN_KINDS, *_MEAN_NAMES, *_SPELLINGS))


def _kind_within(words: str) -> tuple[ResolvedResource | None, bool]:
    """The kind that a field's name says, if any, and whether it says nothing but that there are several."""
    said, _, group = words.partition(".")
    if group and (kind := _KINDS.get(said)) is not None:
        return (kind, True) if group in _groups_of(kind) else (None, False)
    within = _KIND_WITHIN.fullmatch(words) if _spelled(words) else None
    if within is None:
        return None, False
    said = (within["long"] or within["short"]).replace("-", "")
    return _KINDS[said], said.endswith("s") and not within["more"]


def _spelled(text: str) -> bool:
    """Whether a kind may be spelled in a text of small letters."""
    return "deployment" in text or "set" in text or "job" in text or "controller" in text


def _told(text: str, *, place: bool = False) -> Iterator[Named]:
    """What a text names that says a kind as well. ``place``: of one that is a place, but for the API's own.

    As ``kind/name``, ``namespace/kind/name``, ``kind:name``, ``group/version:kind:namespace/name`` or a path.
    """
    if len(text) > _LONGEST:
        return
    if text.count("_") > 2 and (entry := _INVENTORY.fullmatch(text)) is not None:
        yield _listed(entry)
    if not ("/" in text or ":" in text):
        return
    owns = _OWN_SPELLED.search(text) is not None
    if not owns and _SPELLED.search(text) is None:
        return
    if (path := _PATH.fullmatch(text)) is not None:
        kind = workload(path["kind"] or "")
        if kind is not None and "." not in (path["group"] or ""):
            yield from _if_names(path["name"], path["namespace"], kind)
        kind = _own(path["own"] or "")
        if kind is not None and kind.resource.group == (path["group"] or ""):
            yield from _if_names(path["called"], "", kind)
        return
    if place:
        # No folder is written like a kind with its group and version.
        for each in text.split(","):
            if "/" in each.partition(":")[0]:
                yield from _by_colons(each.strip().split(":"))
        return
    for each in text.split(","):
        if ":" in each:
            yield from _by_colons(each.strip().strip(":").split(":"))
        parts = each.strip().strip("/").split("/")
        if owns:
            yield from _if_names(parts[-1], "", _kind_of("/".join(parts[:-1]), own=True))
        while len(parts) > 2 and _GROUPS.fullmatch(parts[0]) and not (len(parts) == 3 and workload(parts[1])):
            del parts[0]
        if len(parts) == 2:
            yield from _if_names(parts[1], "", workload(parts[0]))
        elif len(parts) == 3 and (kind := workload(parts[0])) is not None:
            # A namespace and a name, or a name and a subresource.
            yield from _if_names(parts[2], parts[1], kind)
            yield from _if_names(parts[1], "", kind)
        elif len(parts) == 3:
            kind = workload(parts[1])
            yield from _if_names(parts[2], parts[0], kind)
            if _GROUPS.fullmatch(parts[0]):
                yield from _if_names(parts[2], "", kind)


def _by_colons(parts: Sequence[str]) -> Iterator[Named]:
    """What the parts of a text name, one of which is a kind, with its group or without."""
    for number in range(1, len(parts)):
        said = "/".join(parts[:number])
        kind = _kind_of(said)
        if kind is not None:
            for name, namespace in _names_of("/".join(parts[number:])):
                yield Named(name, namespace, kind)
        elif "/" in said:
            yield from _if_names(":".join(parts[number:]), "", _kind_of(said, own=True))


def _listed(entry: re.Match[str]) -> Named:
    """What an entry of an inventory names."""
    name, namespace, group = entry["name"].replace("__", ":"), entry["namespace"], entry["group"]
    kind = _KINDS.get(entry["kind"].casefold())
    if kind is not None and (kind.kind, kind.resource.group) == (entry["kind"], group):
        return Named(name, namespace, kind)
    return Named(name, namespace, group=group, kind=entry["kind"])


def _if_names(name: str, namespace: str, kind: ResolvedResource | None) -> Iterator[Named]:
    if kind is None or (kind.kind == _CHANGE_REQUEST and not name.startswith(change.PREFIX)):
        # The second is a ticket of another program's: Seconder's own are all called so.
        return
    if NAME.fullmatch(name) and (not namespace or _NAMESPACE.fullmatch(namespace)):
        yield Named(name, namespace, kind)


def _items(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a list says that its objects are, as far as they do not say so themselves."""
    kind, version, items = str(fields["kind"]).removesuffix("List"), fields.get("apiVersion"), fields.get("items")
    for each in items if isinstance(items, list) else ():
        if isinstance(each, dict) and not (each.get("kind") and each.get("apiVersion")):
            head = {"apiVersion": each.get("apiVersion") or version, "kind": each.get("kind") or kind}
            yield {**head, "metadata": each.get("metadata")}


def _named(fields: Mapping[str, Any], meant: Mapping[str, _Field], *, labels: bool) -> Iterator[Named]:
    """What the fields of an object name, by what each of them means. ``labels``: where they are expected."""
    metadata, kind = fields.get("metadata"), fields.get("kind")
    if isinstance(kind, str) and kind.endswith("List"):
        for each in _items(fields):
            yield from _named(each, {key: _field(key) for key in each}, labels=labels)
    if isinstance(metadata, dict) and isinstance(kind, str):
        group = str(fields.get("apiVersion")).rpartition("/")[0]
        for name in _texts(metadata.get("name")):
            if NAME.fullmatch(name):
                yield Named(name, _namespace(metadata), group=group, kind=kind, whole=True)
    kinds: set[ResolvedResource] = set()
    naming: list[Any] = []
    for key, each in fields.items():
        means = meant[key]
        if means.kind is not None and not (labels and isinstance(each, str)):
            # A kind as the name of a field: ``deployment: checkout``, ``deployments: [...]``.
            for name, namespace in _names_in(each):
                yield Named(name, namespace or _namespace(fields), means.kind)
            if means.holder and isinstance(each, dict):
                for name, below in each.items():
                    yield from _if_names(name, _namespace(below) or _namespace(fields), means.kind)
        if means.kinds:
            kinds.update(_kinds_in(each, listed=means.listed))
        elif means.names and not (key == "resourceNames" and _reads(fields)):
            naming.append(each)
    kinds = _within_group(kinds, fields) if kinds else kinds
    for each in naming if kinds else ():
        for name, namespace in _names_in(each, others=True):
            for kind_of in kinds:
                yield Named(name, namespace or _namespace(fields), kind_of)


def _reads(fields: Mapping[str, Any]) -> bool:
    """Whether these are a rule of rights, as RBAC's, that lets somebody only look."""
    verbs = _texts(fields.get("verbs"))
    return bool(verbs) and _READING.issuperset(verbs)


def _kinds_in(value: Any, *, listed: bool) -> Iterator[ResolvedResource]:
    """The kinds that the value of a field says that means some. ``listed``: also those of objects in a list."""
    for text in _texts(value):
        yield from _kinds_of(text)
    for each in value if listed and isinstance(value, list) else [value]:
        # What has a name of its own is an object, of which this one does not tell the kind.
        if isinstance(each, dict) and not any(_field(key).names for key in each):
            within: set[ResolvedResource] = set()
            for key, below in each.items():
                if _field(key).kinds:
                    for text in _texts(below):
                        within.update(_kinds_of(text))
            yield from _within_group(within, each) if within else ()


def _kinds_of(text: str) -> Iterator[ResolvedResource]:
    """The kinds in a text, apart by commas."""
    for each in set(text.split(",")):
        kind = _kind_of(each) or _kind_of(each, own=True)
        if kind is not None:
            yield kind


def _kind_of(text: str, *, own: bool = False) -> ResolvedResource | None:
    """The kind that a text is, also with its group and version before it: ``apps/v1/Deployment``."""
    known = _own if own else workload
    text = text.strip()
    before, _, last = text.rpartition("/")
    if (kind := known(text)) is not None or not before or (kind := known(last)) is None:
        return kind
    group = kind.resource.group if own else ""
    return kind if all(_GROUPS.fullmatch(each) or each == group for each in before.split("/")) else None


def _names_in(value: Any, *, others: bool = False, depth: int = 2) -> Iterator[tuple[str, str]]:
    """The names that the value of a field holds, each with the namespace beside it.

    They are texts, or stand in fields of objects in it that mean names. ``others``: an object may say itself of which
    kind it is, and is passed over then.
    """
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield from _names_of(each)
        elif isinstance(each, dict) and depth:
            if others and any(text and key.casefold().endswith("kind") for key, text in each.items()):
                continue
            for key, below in each.items():
                if _field(key).names:
                    for name, namespace in _names_in(below, others=others, depth=depth - 1):
                        yield name, namespace or _namespace(each)


def _names_of(text: str) -> Iterator[tuple[str, str]]:
    """The names in a text, apart by commas, each with the namespace before it where it has one."""
    for each in set(text.split(",")):
        namespace, _, name = each.strip().rpartition("/")
        if NAME.fullmatch(name) and (not namespace or _NAMESPACE.fullmatch(namespace)):
            yield name, namespace


def _within_group(kinds: set[ResolvedResource], fields: Mapping[str, Any]) -> set[ResolvedResource]:
    """Those of some kinds that may be of the group that is said, if one is.

    Of the groups of Kubernetes' own workloads, some programs take any for any.
    """
    version = fields.get("apiVersion")
    said = (version.rpartition("/")[0] if isinstance(version, str) else "", fields.get("group"))
    groups = {group for group in said if isinstance(group, str) and "." in group}
    return {kind for kind in kinds if groups <= {kind.resource.group}} if groups else kinds


def _namespace(fields: Any) -> str:
    namespace = fields.get("namespace") if isinstance(fields, dict) else None
    return namespace if isinstance(namespace, str) and _NAMESPACE.fullmatch(namespace) else ""


def _texts(value: Any) -> list[str]:
    """A text, or those of a list."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]
