"""Owners by another name: the garbage collector goes by group, kind and name, and each controller by the uid.

It looks for an owner where a reference says, and takes one that is not there for gone, whose uid lives on elsewhere.
An object of such owners alone is deleted when next it is looked at, which a changed reference does not bring about
(kubernetes/pkg/controller/garbagecollector, ``referencesDiffs``). Until then it is the controller's own, by the uid.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Metadata
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule

_RETOLD: Final = "agents may not tell of one owner two groups, kinds or names: the garbage collector takes it for gone"
_ONE: Final = "No approval changes this. Leave the reference as it is, and tell of each uid once."


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what tells of an owner another group, kind or name than is stored, or than is told of it beside."""
    yield from ()
    request = context.request
    # Most objects have none.
    if not request.new.owner_references or request.new.owner_references == request.old.owner_references:
        return []
    before, after = _told(request.old), _told(request.new)
    stored = {uid for uid, *_ in before}
    times = Counter(uid for uid, *_ in after)
    # What somebody has told twice already an agent may keep.
    retold = any(uid in stored or times[uid] > 1 for uid, *_ in after - before)
    return [Refusal(_RETOLD, advice=_ONE)] if retold else []


def _told(metadata: Metadata) -> frozenset[tuple[str, str, str, str]]:
    """What the references say of each owner. In which version it is asked for makes it no other one."""
    return frozenset((owner.uid, owner.group, owner.kind, owner.name) for owner in metadata.owners)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Updates after which the owners are others than before, and whatever is made under several.

    Where policies protect from deletion, all updates and whatever is made under an owner are asked about anyway.
    """
    if index.follows:
        return []
    return [Prefilter(Entry.GUARD, test) for test in (cel.CHANGES_OWNERS, f"{cel.MADE_UNDER_OWNERS}1")]


RULE: Final = Rule(
    "owner-names",
    "Agents tell of no owner another group, kind or name while its uid stays, and none of one uid twice.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, metadata=True),
)
