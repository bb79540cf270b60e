"""Several change requests that one signature is for: what keeps them from that."""

from collections.abc import Iterator, Sequence
from typing import Final

from seconder.admission.changes import alike
from seconder.api.text import clean, describe
from seconder.approvals import unsigned_statement
from seconder.portal.cases import MOST_BYTES, MOST_ITEMS, Case, obstacle
from seconder.portal.sessions import Session

MOST: Final = unsigned_statement.MOST_OBJECTS
"""Requests that one signature is for."""


def problems(cases: Sequence[Case], session: Session) -> Iterator[str]:
    """Why one signature cannot be for all of these; nothing where it can."""
    uids: set[str] = set()
    requester = _requester(cases[0])
    for case in cases:
        named = f"{case.request.name}, {describe(case.request.target)}"
        told = case.problem or obstacle(case, session.approver)
        if told:
            yield f"{named}: {told}"
        if any(policy.requirement.required > 1 for policy in case.change.policies):
            yield f"{named}: It takes several peers, who sign for it by itself."
        if _requester(case) != requester:
            yield f"{named}: It is for {clean(case.change.requester)}, who is another requester than of the first one."
        if case.change.target.uid in uids:
            yield f"{named}: The same object is asked about by another one of these. Sign for it by itself."
        uids.add(case.change.target.uid)
    if sum(len(case.items) for case in cases) > MOST_ITEMS or sum(map(_bytes, cases)) > MOST_BYTES:
        yield "All of it is more than a page can show: choose fewer."


def _requester(case: Case) -> tuple[str, str | None]:
    return case.change.requester, case.change.agent


def _bytes(case: Case) -> int:
    if case.based is None:
        return 0
    return max(len(alike.canonical(state)) for state in (case.based.before, case.based.after))
