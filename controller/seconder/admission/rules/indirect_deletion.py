"""What some controller ends on the word of another object: one table says which, and of what kind."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import along, table
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import GroupResource


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on each protected object that a controller would end on this one's word."""
    rows = table.deleters(context.state.installation.aliases).get(context.request.target.resource)
    policies = context.state.policies
    if rows is None or not policies.follows:
        return []
    found: list[Effect | Refusal] = []
    for row in rows:
        # No character of a field's name is written by an escape.
        if context.request.operation not in row.operations or row.word not in context.request.body:
            continue
        # Told without a call, since it ends the common case.
        if row.only is None or not policies.followed_known or not policies.followed_resources.isdisjoint(row.only):
            lost = yield from row.losses(context)
            if lost:
                found += [each if isinstance(each, Refusal) else replace(each, since=row.reason) for each in lost]
    # Most end nothing.
    return (yield from along.findings(context, found)) if found else []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever agents do to the kinds of the table that a row may be about."""
    if not index.follows:
        return []
    tests: dict[frozenset[Operation], set[GroupResource]] = {}
    for resource, rows in table.deleters(place.aliases).items():
        for row in rows:
            tests.setdefault(row.operations, set()).add(resource)
    asked = sorted((sorted(operations), kinds) for operations, kinds in tests.items())
    return [
        Prefilter(Entry.GUARD, f"({cel.one_of(kinds)}) && request.operation in {cel.listed(operations)}")
        for operations, kinds in asked
    ]


RULE: Final = Rule(
    "indirect-deletion",
    "No protected object is ended by a controller on the word of another that an agent writes or deletes.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(
        MUTATIONS,
        table.deleters(()).keys(),
        aliases=True,
    ),
)
