"""What a custom resource names, as data."""

from msgspec import Struct

from seconder.api.resources import ResolvedResource


class Named(Struct, frozen=True):
    """An object that is named. ``namespace`` is empty where none is said beside its name.

    ``known``: its kind, where that is a workload or one of which some are Seconder's own; else ``group`` and ``kind``
    are told in full. ``whole``: by its own manifest.
    """

    name: str
    namespace: str
    known: ResolvedResource | None = None
    group: str = ""
    kind: str = ""
    whole: bool = False


class Found(Struct, frozen=True):
    """What an object names, and the namespaces that it names anywhere. ``more``: there are too many to look at."""

    named: frozenset[Named]
    namespaces: frozenset[str]
    more: bool = False
