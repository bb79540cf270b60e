"""What a custom resource names: a workload by its kind and name, or an object whose whole manifest it holds.

Which program acts on it, and how, is not known: rollouts, schedules, restorers and packages scale what they name to
nothing, write it over, or delete it with themselves. Nor is in which form a program is told: so a kind and a name that
stand side by side are a reference, whatever their fields are called. A template's placeholder is no name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from seconder.admission.coverage import NAME
from seconder.admission.indirect.aliases import NAMES
from seconder.admission.kinds import MAKERS, POD_RUNNERS
from seconder.api.resources import NAMESPACES, ResolvedResource

_MOST: Final = 1024
"""Names that are looked at, and namespaces; of more nobody tells what they name."""

_NAMESPACE: Final = NAMES[NAMESPACES]

_LABELS: Final = ("abels", "nnotations")
"""How the fields end below which keys and values are anybody's."""

_KIND_FIELDS: Final = ("kind", "resource", "resources", "type")
"""How the fields end, without regard to capitals, whose text is a kind."""

_NO_NAMES: Final = frozenset({"apiVersion", "group", "kind", "namespace", "version"})

_KINDS: Final[Mapping[str, ResolvedResource]] = {
    spelling: kind
    for kind in MAKERS.values()
    if kind.resource in POD_RUNNERS
    for spelling in (kind.kind.casefold(), kind.resource.resource)
}
"""Workloads. Services are none: routes name them all day, and only send there."""

_LONGEST: Final = 320
"""Characters of a kind and a name."""


class Named(Struct, frozen=True):
    """An object that is named. ``namespace`` is empty where none is said beside its name.

    ``workload``: its kind; else ``group`` and ``kind`` are those of a whole manifest.
    """

    name: str
    namespace: str
    workload: ResolvedResource | None = None
    group: str = ""
    kind: str = ""


class Found(Struct, frozen=True):
    """What an object names, and the namespaces that it names anywhere. ``more``: there are too many to look at."""

    named: frozenset[Named]
    namespaces: frozenset[str]
    more: bool = False


def found(*documents: Mapping[str, Any]) -> Found:
    """All that stands below the fields of some objects, but for their metadata and below labels and annotations."""
    named: set[Named] = set()
    namespaces: set[str] = set()
    # Not by recursion: it may be nested as deeply as the API server takes it.
    waiting: list[Any] = [value for document in documents for key, value in document.items() if key != "metadata"]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            fields = {key: each for key, each in value.items() if not key.endswith(_LABELS)}
            waiting += fields.values()
            for key, each in fields.items():
                if key == "ns" or "amespace" in key:
                    namespaces.update(filter(_NAMESPACE.fullmatch, _texts(each)))
            named.update(_named(fields))
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and "/" in value and len(value) <= _LONGEST:
            kind, _, name = value.partition("/")
            if (kind_of := workload(kind)) is not None and NAME.fullmatch(name):
                named.add(Named(name, "", kind_of))
        if len(named) > _MOST:
            return Found(frozenset(), frozenset(), more=True)
    alone = any(not each.namespace for each in named)
    return Found(frozenset(named), frozenset(namespaces), more=alone and len(namespaces) > _MOST)


def workload(text: str) -> ResolvedResource | None:
    """The kind of workload that a text is, in whatever way kubectl takes it: ``Deployment``, ``deployments.apps``."""
    return _KINDS.get(text.partition(".")[0].casefold())


def _named(fields: Mapping[str, Any]) -> Iterator[Named]:
    metadata, kind = fields.get("metadata"), fields.get("kind")
    if isinstance(metadata, dict) and isinstance(kind, str):
        group = str(fields.get("apiVersion")).rpartition("/")[0]
        for name in _texts(metadata.get("name")):
            if NAME.fullmatch(name):
                yield Named(name, _namespace(metadata), group=group, kind=kind)
    kinds: set[ResolvedResource] = set()
    for key, each in fields.items():
        # A kind as the name of a field: ``deployment: checkout``, ``deployments: [...]``.
        if (kind_of := workload(key.removesuffix("Name").removesuffix("Ref"))) is not None:
            for name, namespace in _names_in(each):
                yield Named(name, namespace or _namespace(fields), kind_of)
        elif key.casefold().endswith(_KIND_FIELDS):
            kinds.update(kind_of for text in _texts(each) if (kind_of := workload(text)) is not None)
    if not kinds or _of_another_group(fields):
        return
    for key, each in fields.items():
        # Beside it, whatever the field is called, or one level below.
        for name, namespace in _names_in(each, texts=key not in _NO_NAMES):
            for kind_of in kinds:
                yield Named(name, namespace or _namespace(fields), kind_of)


def _names_in(value: Any, *, texts: bool = True) -> Iterator[tuple[str, str]]:
    """The names that a field holds, as texts, or as those of objects in it, with the namespaces beside them."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and texts and NAME.fullmatch(each):
            yield each, ""
        elif isinstance(each, dict):
            yield from ((name, _namespace(each)) for name in _texts(each.get("name")) if NAME.fullmatch(name))


def _of_another_group(fields: Mapping[str, Any]) -> bool:
    """Whether a group is said that is none of Kubernetes' own workloads. Of those, some programs take any for any."""
    version = fields.get("apiVersion")
    said = (version.rpartition("/")[0] if isinstance(version, str) else "", fields.get("group"))
    return any(isinstance(text, str) and "." in text for text in said)


def _namespace(fields: Mapping[str, Any]) -> str:
    namespace = fields.get("namespace")
    return namespace if isinstance(namespace, str) and _NAMESPACE.fullmatch(namespace) else ""


def _texts(value: Any) -> list[str]:
    """A text, or those of a list."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]
