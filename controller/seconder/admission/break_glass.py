"""The emergency exit of policies for Everyone: an annotation with an end and a reason, on the object itself."""

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from seconder.admission.principal import Principal
from seconder.admission.request import Caller
from seconder.api import constants
from seconder.api.policy import Policy, Subjects

_VALUE: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|([+-])(\d\d):(\d\d))\s+(\S.*)",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """What somebody wrote on the object. ``end`` is in seconds since 1970."""

    end: int
    reason: str


def parse(annotations: Mapping[str, str]) -> BreakGlass | None:
    """Read ``<RFC 3339 end> <reason>``; None for anything else, hence for no reason at all."""
    match = _VALUE.fullmatch(annotations.get(constants.BREAK_GLASS, "").strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[place]) for place in range(1, 7))
    offset = (int(match[8]) * 60 + int(match[9])) * 60 if match[7] else 0
    days = (0, 31, 29 if calendar.isleap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if not (1 <= month <= 12 and 1 <= day <= days[month] and hour < 24 and minute < 60 and second < 60):
        return None
    end = calendar.timegm((year, month, day, hour, minute, second))
    return BreakGlass(end + offset if match[7] == "-" else end - offset, match[10])


def broken(
    annotations: Mapping[str, str], caller: Caller, principal: Principal, policies: Sequence[Policy], now: float
) -> tuple[list[Policy], str]:
    """The policies that this caller may pass by in an emergency, and the reason on the object.

    They are for Everyone, the caller is a member of their groups and no agent, and the end has not passed and is at
    most an hour ahead. ``now`` is in seconds since 1970.
    """
    if principal.agent:
        return [], ""
    given = parse(annotations)
    if given is None or not now < given.end <= now + constants.MAX_TTL_SECONDS:
        return [], ""
    passed = [
        policy
        for policy in policies
        if policy.subjects is Subjects.EVERYONE and not policy.break_glass_groups.isdisjoint(caller.groups)
    ]
    return passed, given.reason if passed else ""
