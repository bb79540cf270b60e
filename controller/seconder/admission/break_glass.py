"""The emergency exit of policies for Everyone: an annotation with an end and a reason, on the object itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from seconder.admission.principal import Principal
from seconder.admission.request import Caller
from seconder.api import constants, moments
from seconder.api.policy import Policy, Subjects

_VALUE: Final = re.compile(r"(\S+)\s+(\S.*)", re.ASCII | re.DOTALL)


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
    end = moments.seconds(match[1])
    return None if end is None else BreakGlass(int(end), match[2])


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
