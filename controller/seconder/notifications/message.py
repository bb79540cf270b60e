"""One message about one or many events, in the two forms in which it is sent."""

import hashlib
from collections import Counter
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.api import moments
from seconder.api.text import for_chat
from seconder.notifications.event import Event, EventType

_LINES: Final = 10
"""Events that a digest tells one by one; of the others it tells the number."""

_TYPES: Final = {
    EventType.PENDING: "dev.seconder.changerequest.pending",
    EventType.APPROVED: "dev.seconder.changerequest.approved",
    EventType.DENIED: "dev.seconder.changerequest.denied",
    EventType.USED: "dev.seconder.changerequest.used",
    EventType.EXPIRED: "dev.seconder.changerequest.expired",
    EventType.BREAK_GLASS: "dev.seconder.breakglass",
    EventType.NOT_IN_FORCE: "dev.seconder.notinforce",
}
_DIGEST: Final = "dev.seconder.digest"


class Message(Struct, frozen=True):
    """What is sent once. ``left_out``: how many more events there were than could be kept."""

    events: tuple[Event, ...]
    left_out: int = 0

    @property
    def id(self) -> str:
        """The same for the same events, so that a receiver knows a message that is sent again."""
        digest = hashlib.sha256("\n".join(event.id for event in self.events).encode()).hexdigest()
        return f"msg_{digest[:32]}"

    @property
    def count(self) -> int:
        """How many events it is about."""
        return len(self.events) + self.left_out

    @property
    def title(self) -> str:
        """A line for people."""
        if self.count == 1:
            return f"Seconder: {self.events[0].type.value}, {for_chat(self.events[0].object)}"
        counted = Counter(event.type.value for event in self.events)
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(counted.items()))
        return f"Seconder: {kinds}" + (f", and {self.left_out} more" if self.left_out else "")

    @property
    def body(self) -> str:
        """Sentences for people, in plain text.

        What a requester said of itself comes last, on a line of its own, and only where that is of one event.
        """
        shown = self.events[:_LINES]
        lines = [f"{event.summary} {event.link}".strip() for event in shown]
        more = self.count - len(shown)
        if more:
            lines.append(f"and {more} more: kubectl seconder pending")
        if self.count == 1 and self.events[0].quotation:
            lines.append(self.events[0].quotation)
        return "\n".join(lines)

    def cloud_event(self, source: str) -> dict[str, Any]:
        """The attributes and the data of a CloudEvent, version 1.0 of its specification."""
        one = self.events[0]
        if self.count == 1:
            type_, subject, data = _TYPES[one.type], one.name, msgspec.to_builtins(one)
        else:
            type_, subject = _DIGEST, "digest"
            data = {"events": msgspec.to_builtins(self.events[:100]), "count": self.count}
        return {
            "attributes": {
                "specversion": "1.0",
                "id": self.id,
                "source": source,
                "type": type_,
                "subject": subject,
                "time": moments.read(self.events[-1].time),
                "datacontenttype": "application/json",
            },
            "data": data,
        }
