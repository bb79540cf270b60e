"""Which target is told what: routes as the chart's value ``notifications.routes`` has them."""

from collections.abc import Collection, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from seconder.api.type_reader import TypeReader
from seconder.notifications.event import Event, EventType

_MOST: Final = 64

Name = Annotated[str, Meta(min_length=1, max_length=253)]


class Unusable(Exception):
    """Something about notifications is not as it must be; the message says what, and holds no secret."""


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    """One route. An empty list takes all: every event, of every team, to every target."""

    teams: Annotated[tuple[Name, ...], Meta(max_length=_MOST)] = ()
    events: Annotated[tuple[EventType, ...], Meta(max_length=_MOST)] = ()
    targets: Annotated[tuple[Name, ...], Meta(max_length=_MOST)] = ()

    def takes(self, event: Event) -> bool:
        """Whether it is about this event. One that any team may approve, or none, is every team's."""
        about = not self.events or event.type in self.events
        return about and (not self.teams or not event.teams or not set(self.teams).isdisjoint(event.teams))


EVERYTHING: Final = (Route(),)


_routes: Final[TypeReader[tuple[Route, ...]]] = TypeReader(Annotated[tuple[Route, ...], Meta(max_length=_MOST)])


def read(text: str) -> Sequence[Route]:
    """The routes of a JSON array; everything to everybody where it is empty. Raises Unusable."""
    if not text.strip():
        return EVERYTHING
    try:
        return _routes.decode(text) or EVERYTHING
    except msgspec.DecodeError as error:
        raise Unusable(f"notification routes: {error}; give [{{teams: [], events: [], targets: []}}, ...]") from None


def targets(routes: Sequence[Route], event: Event, known: Collection[str]) -> set[str]:
    """The names of the targets to tell of an event, of those that there are."""
    told: set[str] = set()
    for route in routes:
        if route.takes(event):
            told.update(route.targets or known)
    return told & set(known)
