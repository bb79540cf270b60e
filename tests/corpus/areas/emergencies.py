"""Break-glass: the emergency exit of policies for Everyone."""

import calendar
import re
from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import Document, changed, policy
from tests.corpus.builders.reviews import PERSON, account, delete, scale, update, user
from tests.corpus.builders.scene import AUDIT, CHECKOUT, Expected, case
from tests.corpus.builders.signing import TXN, approved

BROKEN = "BreakGlass"
MISSING = "ApprovalMissing"
HELPER = user("dana@example.com", "people", "sre")
EVERYONE = policy("everyone", "deployments.apps", subjects="Everyone", breakGlass={"groups": ["sre", "on-call"]})
SOON = "2026-11-22T04:30:00Z the site is down"


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _ends()
    yield from _callers()
    yield from _beside()


def broken(value: str = SOON, stored: Document = CHECKOUT) -> Document:
    """Give the Deployment with a break-glass annotation."""
    held = stored["metadata"].get("annotations", {})
    return changed(stored, annotations=held | {"seconder.dev/break-glass": value})


def _ends() -> Iterator[Expected]:
    yield case("a member of the group passes", BROKEN, delete(broken(), HELPER), EVERYONE)
    for value, reason in (
        ("2026-11-22T05:01:40Z an hour ahead to the second", BROKEN),
        ("2026-11-22T05:01:41Z more than an hour ahead", MISSING),
        ("2026-11-22T04:01:40Z over", MISSING),
        ("2026-11-22T04:01:41Z nearly over", BROKEN),
        ("2026-11-22T06:31:00.5+02:00 in another zone", BROKEN),
        ("2026-11-21T23:31:00-05:00 in a zone to the west", BROKEN),
        ("2026-11-22t04:31:00z in small letters", BROKEN),
        ("2026-11-22T04:31:00Z", MISSING),
        ("2026-11-22T04:31:00Z  ", MISSING),
        ("2026-11-22 04:31:00Z with a space", MISSING),
        ("2026-13-22T04:31:00Z in no month", MISSING),
        ("2026-02-30T04:31:00Z on no day", MISSING),
        ("2026-11-22T24:31:00Z in no hour", MISSING),
        ("soon: the site is down", MISSING),
        ("", MISSING),
        ("2026-11-22T04:31:00Z two\nlines\u202e", BROKEN),
    ):
        yield case(f"a break-glass of {value!r}", reason, delete(broken(value), HELPER), EVERYONE)
    for value, reason in (
        ("2028-02-29T00:30:00", BROKEN),
        ("2027-02-29T00:30:00", MISSING),
        ("2026-11-31T00:30:00", MISSING),
        ("2026-12-32T00:30:00", MISSING),
        ("2026-12-00T00:30:00", MISSING),
        ("2026-11-22T24:30:00", MISSING),
        ("2026-11-22T04:60:00", MISSING),
        ("2026-11-22T04:30:60", MISSING),
    ):
        # As it would be counted if it were a time.
        year, month, day, hour, minute, second = map(int, re.findall(r"\d+", value))
        end = calendar.timegm((year, month, day, hour, minute, second))
        name = f"a break-glass of {value}, half an hour before"
        yield case(name, reason, delete(broken(f"{value}Z a day"), HELPER), EVERYONE, now=end - 1800)


def _callers() -> Iterator[Expected]:
    yield case("somebody of no such group", MISSING, delete(broken(), PERSON), EVERYONE)
    yield case("an agent never passes", MISSING, delete(broken()), EVERYONE)
    yield case(
        "an agent of the group never passes",
        MISSING,
        delete(broken(), account("seconder-agents", "kiro", groups=["sre"])),
        EVERYONE,
    )
    yield case(
        "an agent of another policy never passes",
        MISSING,
        delete(broken(), HELPER),
        EVERYONE,
        policy("p", "nodes", agents={"users": ["dana@example.com"]}),
    )
    agents = policy("agents", "deployments.apps", breakGlass={"groups": ["sre"]})
    tagged = broken(stored=changed(CHECKOUT, annotations={"seconder.dev/agent": "kiro"}))
    yield case("a policy for agents has no exit", MISSING, delete(tagged, HELPER), agents)
    yield case("what is tagged under a policy for Everyone has", BROKEN, delete(tagged, HELPER), EVERYONE)
    managed = policy(
        "everyone",
        "deployments.apps",
        subjects="Everyone",
        breakGlass={"groups": ["sre"]},
        agents={"fieldManagers": ["bot"]},
    )
    empty = changed(broken(), spec__replicas=0)
    yield case(
        "an agent by its field manager never passes", MISSING, update(broken(), empty, HELPER, manager="bot"), managed
    )
    yield case(
        "somebody of another field manager passes", BROKEN, update(broken(), empty, HELPER, manager="kubectl"), managed
    )


def _beside() -> Iterator[Expected]:
    other = policy("other", "deployments.apps", subjects="Everyone")
    yield case("the other policies hold", MISSING, delete(broken(), HELPER), EVERYONE, other)
    mine: dict[str, Any] = {"sub": "dana@example.com", "act": None}
    ready = broken(stored=approved(CHECKOUT, **mine))
    yield case("the other policies are satisfied by an approval", "Approved", delete(ready, HELPER), EVERYONE, other)
    strict = policy("strict", "deployments.apps", subjects="Everyone", approvals={"required": 2})
    peer = broken(stored=approved(CHECKOUT, txn=TXN, **mine))
    yield case("the other policies want more", "QuorumNotReached", delete(peer, HELPER), EVERYONE, strict)
    yield case(
        "a break-glass, where the view may be out of date",
        "InternalError",
        delete(broken(), HELPER),
        EVERYONE,
        fresh=False,
    )
    yield case("a break-glass by dry run is not noted", BROKEN, delete(broken(), HELPER, dryRun=True), EVERYONE)
    watched = policy("everyone", "deployments.apps", subjects="Everyone", mode="Audit", breakGlass={"groups": ["sre"]})
    yield case("a break-glass under Audit is not noted", BROKEN, delete(broken(), HELPER), watched, path=AUDIT)
    yield case("a break-glass on the live object of a scale", BROKEN, scale(CHECKOUT, 0, HELPER), EVERYONE, broken())
    leaving = changed(broken(), deletionTimestamp="2026-11-22T04:00:00Z", finalizers=["a.example.com/x"])
    both = update(leaving, changed(leaving, finalizers=None, spec__replicas=0), HELPER)
    yield case("two actions in an emergency", BROKEN, both, EVERYONE)
    for first, second in (("ScaleToZero", "RemoveFinalizers"), ("RemoveFinalizers", "ScaleToZero")):
        exits = policy(
            "exits", "deployments.apps", subjects="Everyone", actions=[first], breakGlass={"groups": ["sre"]}
        )
        holds = policy("holds", "deployments.apps", subjects="Everyone", actions=[second])
        peer = approved(leaving, detail={"actions": [second]}, **mine)
        done = update(peer, changed(peer, finalizers=None, spec__replicas=0), HELPER)
        reason = BROKEN if first == "ScaleToZero" else "Approved"
        yield case(f"{first} in an emergency, and {second} by an approval", reason, done, exits, holds)
