"""What a custom resource names: a workload by its kind and name, or an object whose whole manifest it holds.

Which program acts on it, and how, is not known: rollouts, schedules, restorers and packages scale what they name to
nothing, write it over, or delete it with themselves.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from seconder.admission.kinds import MAKERS, POD_RUNNERS
from seconder.api.resources import ResolvedResource

_WORKLOADS: Final[Mapping[str, ResolvedResource]] = {
    kind.kind.casefold(): kind for kind in MAKERS.values() if kind.resource in POD_RUNNERS
}
"""By their kinds. Services are none: routes name them all day, and only send there."""


class Named(NamedTuple):
    """An object that is named. ``group`` is None where none is said, and ``namespace`` where that is the namer's own.

    ``whole``: a manifest of it, not only a reference.
    """

    kind: str
    group: str | None
    namespace: str | None
    name: str
    whole: bool


def found(document: Mapping[str, Any]) -> Iterator[Named]:
    """All that stands below the fields of an object, but for its metadata."""
    # Not by recursion: it may be nested as deeply as the API server takes it.
    waiting: list[Any] = [value for key, value in document.items() if key != "metadata"]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            if isinstance(kind := value.get("kind"), str):
                yield from _named(kind, value)
        elif isinstance(value, list):
            waiting += value


def _named(kind: str, value: Mapping[str, Any]) -> Iterator[Named]:
    version = value.get("apiVersion")
    group = version.rpartition("/")[0] if isinstance(version, str) and version else None
    if group is None and isinstance(value.get("group"), str):
        group = value["group"]
    metadata = value.get("metadata")
    for place, whole in ((value, False), (metadata, True)):
        if isinstance(place, dict) and isinstance(name := place.get("name"), str) and name:
            namespace = place.get("namespace")
            yield Named(kind, group, namespace if isinstance(namespace, str) and namespace else None, name, whole)


def workload(named: Named) -> ResolvedResource | None:
    """The kind of workload that is named, however its letters are written; None where it is none."""
    kind = _WORKLOADS.get(named.kind.casefold())
    return kind if kind is not None and named.group in {None, kind.resource.group} else None
