"""A drill's call, which stands in a ConfigMap beside the answers to it; and who has answered."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from seconder.api import constants
from seconder.api.duration import Duration
from seconder.api.policy import TEAM, Assurance
from seconder.api.reasons import Reason
from seconder.api.text import clean
from seconder.approvals import drill
from seconder.approvals.drill import Answer, Refused
from seconder.approvals.registry import Approver, Registry, certificate_of
from seconder.client.api import Api, ApiError, segment
from seconder.plugin.terminal import times
from seconder.plugin.terminal.problem import Problem

MOST: Final = 999
"""Answers that a drill may ask for."""

_STRENGTH: Final = list(Assurance)
"""The weakest first."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a drill asks: ``required`` people of one of ``teams`` (empty: any), by ``assurance``, ``within`` seconds.

    ``begun`` is the API server's time, in seconds since 1970. ``data`` holds the answers.
    """

    namespace: str
    name: str
    uid: str
    begun: float
    teams: frozenset[str]
    required: int
    assurance: Assurance
    within: int | None
    data: Mapping[str, str]

    def is_for(self, approver: Approver) -> bool:
        """Whether this person is called."""
        return not self.teams or not self.teams.isdisjoint(approver.teams)

    def strong(self, assurance: Assurance) -> bool:
        """Whether this is as much as the drill asks."""
        return _STRENGTH.index(assurance) >= _STRENGTH.index(self.assurance)

    def after(self, answer: Answer) -> int:
        """The seconds that an answer took."""
        return max(0, answer.at - int(self.begun))

    def state_of(self, answer: Answer) -> str:
        """``Answered`` for one that counts, else ``TooLate`` or ``TooWeak``."""
        if self.within is not None and self.after(answer) > self.within:
            return "TooLate"
        return "Answered" if self.strong(answer.assurance) else "TooWeak"


def path(namespace: str, name: str = "") -> str:
    """Where a drill's ConfigMap is, or all of a namespace."""
    return f"/api/v1/namespaces/{segment(namespace)}/configmaps{f'/{segment(name)}' if name else ''}"


def fields(teams: Sequence[str], required: int, assurance: Assurance, within: str | None) -> dict[str, str]:
    """The data of a new drill's ConfigMap. Raises Problem."""
    data = {"assurance": assurance.value, "required": str(required), "teams": " ".join(sorted(set(teams)))}
    data |= {} if within is None else {"within": within}
    _read_fields(data)
    return data


def read(api: Api, namespace: str, name: str) -> Call:
    """Read a drill. Raises Problem and ApiError."""
    try:
        document = api.get(path(namespace, name))
    except ApiError as error:
        if error.status != 404:
            raise
        told = f"there is no drill {clean(name)} in namespace {clean(namespace)}: give its namespace with -n"
        raise Problem(told) from None
    metadata = document["metadata"]
    if constants.DRILL_KEY not in (metadata.get("labels") or {}):
        raise Problem(f"configmap {clean(name)} in namespace {clean(namespace)} is no drill")
    begun = times.moment(metadata["creationTimestamp"], "creationTimestamp")
    found = _read_fields(document.get("data") or {})
    return replace(found, namespace=namespace, name=name, uid=metadata["uid"], begun=begun)


def asking(call: Call, required: int | None, assurance: str | None, within: str | None) -> Call:
    """The same drill, judged by other measures. Raises Problem."""
    if required is not None:
        call = replace(call, required=_required(str(required)))
    if assurance is not None:
        call = replace(call, assurance=Assurance(assurance))
    return call if within is None else replace(call, within=_within(within))


def _read_fields(data: Mapping[str, str]) -> Call:
    teams = frozenset(data.get("teams", "").split())
    for team in teams:
        if len(team) > 63 or not re.fullmatch(TEAM, team):
            raise Problem(f"team {clean(team)} is no name of a team")
    try:
        assurance = Assurance(data.get("assurance", ""))
    except ValueError:
        raise Problem(f"the drill's assurance is none of {', '.join(Assurance)}") from None
    within = _within(data["within"]) if "within" in data else None
    return Call("", "", "", 0.0, teams, _required(data.get("required", "")), assurance, within, data)


def _required(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and int(text) >= 1):
        raise Problem(f"required {clean(text)} is no number from 1 to {MOST}")
    return int(text)


def _within(text: str) -> int:
    try:
        seconds = int(Duration.parse(text))
    except ValueError:
        seconds = 0
    if not seconds:
        raise Problem(f"within {clean(text)} is no time such as 90s, 15m or 1h")
    return seconds


@dataclass(frozen=True, slots=True)
class Standing:
    """One person's part in a drill. ``state``: Answered (which counts), TooLate, TooWeak, NotYet or Cannot."""

    approver: str
    principal: str
    state: str
    message: str = ""
    answer: Answer | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who has answered a drill, who not, and what stands there and counts for nobody."""

    call: Call
    people: Sequence[Standing]
    refused: Sequence[Refused]

    @property
    def counted(self) -> int:
        """How many distinct people's answers count."""
        return sum(person.state == "Answered" for person in self.people)

    @property
    def reached(self) -> bool:
        """Whether enough have answered."""
        return self.counted >= self.call.required


def outcome(call: Call, registry: Registry, now: float) -> Outcome:
    """Verify all answers to a drill; ``now`` in seconds since 1970."""
    found, refused = drill.answers(call.data, call.uid, call.begun, registry, now)
    called = [answer for answer in found if call.is_for(answer.key.approver)]
    text = "it is by somebody of none of the teams that were asked"
    strangers = sorted({answer.name for answer in found if not call.is_for(answer.key.approver)})
    refused = [*refused, *(Refused(name, Reason.APPROVER_NOT_ALLOWED, text) for name in strangers)]
    # What counts goes before what does not, whenever that came.
    called.sort(key=lambda answer: (call.state_of(answer) != "Answered", answer.at))
    people = [_answered(call, answer) for answer in drill.first_of_each(called)]
    answered = {person.principal.casefold() for person in people}
    for approver in registry.approvers:
        if call.is_for(approver) and approver.principal.casefold() not in answered:
            problem = drill.obstacle(approver, registry, now)
            people.append(Standing(approver.name, approver.principal, "Cannot" if problem else "NotYet", problem))
    return Outcome(call, people, refused)


def _answered(call: Call, answer: Answer) -> Standing:
    approver = answer.key.approver
    return Standing(
        approver.name, approver.principal, call.state_of(answer), "", answer=answer, after=call.after(answer)
    )


def row(person: Standing) -> dict[str, Any]:
    """A person's part, for programs."""
    answer = person.answer
    entry = None if answer is None else answer.key.entry
    return {
        "approver": person.approver,
        "principal": person.principal,
        "state": person.state,
        "message": person.message,
        "assurance": "" if answer is None else answer.assurance.value,
        "afterSeconds": person.after,
        "fingerprint": "" if entry is None else entry.fingerprint,
        "keyType": "" if answer is None else answer.key_type,
        "certificate": "" if answer is None else certificate_of(answer.key),
    }
