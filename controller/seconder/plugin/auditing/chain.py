"""Decisions as a chain: JSON lines, each with the SHA-256 of the line before, and a last one that counts them.

Whoever takes out, puts in, or changes a line breaks the chain behind it. Whoever writes all of it anew does not: so the
last line's sum is to be kept where others cannot write.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO, Final

import msgspec

from seconder.api.type_reader import TypeReader
from seconder.plugin.auditing.facts import Fact
from seconder.plugin.auditing.log_files import NOTHING_READ, Reading
from seconder.plugin.terminal.problem import Problem

_START: Final = "0" * 64
_LONGEST: Final = 1024 * 1024
_MOST_SEEN: Final = 500_000
"""Decisions that are known again where two logs hold them."""


class Decision(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One decision; ``previous`` is the sum of the line before. ``at`` is RFC 3339 in UTC.

    ``audit_id`` is the API server's, ``review`` the webhook's own: the log that it is from has one of them. ``code`` is
    HTTP's, 0 where the log does not tell what came of it.
    """

    number: int
    at: str
    what: str
    object: str
    uid: str
    requester: str
    change_request: str
    detail: str
    audit_id: str
    review: str
    code: int
    previous: str


class End(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The last line: what was exported. ``since`` and ``until`` are RFC 3339. ``notes``: what the logs lacked."""

    decisions: int
    since: str
    until: str
    notes: list[str]
    previous: str


_members: Final = TypeReader(dict[str, msgspec.Raw])
_decision: Final = TypeReader(Decision)
_end: Final = TypeReader(End)


def export(facts: Iterable[Fact], since: float, until: float, reading: Reading) -> Iterator[bytes]:
    """The chain's lines, in the order of the logs. ``since`` and ``until`` are in seconds since 1970.

    Raises Problem before the last line where a file held nothing that could be read: nothing may be said of that.
    """
    first, last = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
    previous, number = _START, 0
    seen: set[int] = set()
    for fact in facts:
        if not first <= fact.at <= last or fact.identity in seen:
            continue
        if len(seen) < _MOST_SEEN:
            seen.add(fact.identity)
        number += 1
        entry = fact.entry
        decision = Decision(
            number=number,
            at=fact.at.astimezone(UTC).isoformat(),
            what=entry.what,
            object=entry.object,
            uid=fact.uid,
            requester=entry.who,
            change_request=entry.request,
            detail=entry.detail,
            audit_id=fact.audit_id,
            review=fact.review,
            code=fact.code,
            previous=previous,
        )
        line = _encoded(decision)
        previous = _sum(line)
        yield line + b"\n"
    if reading.failure:
        raise Problem(reading.failure, NOTHING_READ)
    end = End(decisions=number, since=first.isoformat(), until=last.isoformat(), notes=reading.notes, previous=previous)
    yield _encoded(end) + b"\n"


def _encoded(record: Decision | End) -> bytes:
    """The record as JSON in ASCII: a name may hold what turns the direction of the text around it."""
    return json.dumps(msgspec.to_builtins(record), separators=(",", ":")).encode()


def verify(file: BinaryIO) -> tuple[End, str]:
    """The chain's last line, and its sum. Raises Problem where the chain is broken."""
    previous, number = _START, 0
    while line := file.readline(_LONGEST + 1):
        content = line.removesuffix(b"\n")
        try:
            found = _members.decode(content)
            record = _end.decode(content) if "decisions" in found else _decision.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Problem(f"line {number + 1} is no decision: it was changed, or cut") from None
        if record.previous != previous:
            raise Problem(
                f"line {number + 1} does not follow the one before: something was taken out, put in or changed"
            )
        previous = _sum(content)
        if isinstance(record, End):
            if record.decisions != number:
                raise Problem(f"the end counts {record.decisions} decisions, and there are {number}")
            if file.read(1):
                raise Problem(f"something follows the end, which is line {number + 1}")
            return record, previous
        number += 1
        if record.number != number:
            raise Problem(f"line {number} calls itself {record.number}")
    raise Problem(f"it ends after {number} decisions without its last line: it was cut")


def _sum(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
