"""What a rule finds in a request."""

from collections.abc import Sequence

from msgspec import Struct

from seconder.admission.lookups import Asking
from seconder.admission.review import Effect
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import Action

NO_APPROVAL = "No approval changes this. Ask a person who administers this cluster."


class Refusal(Struct, frozen=True, gc=False):
    """No approval lets the request through. ``what`` says why in a few words, ``advice`` what to do."""

    what: str
    reason: Reason = Reason.PROTECTED_CONFIGURATION
    advice: str = NO_APPROVAL
    action: Action | None = None


def absent(what: str, advice: str) -> Refusal:
    """Why nobody can approve what is done to an object that is not there: its annotations would hold the approvals."""
    return Refusal(f"{what} is not there, so that nobody can approve it", Reason.APPROVAL_MISSING, advice)


class Affected(Struct, frozen=True, gc=False):
    """The request amounts to an action on an object. It needs the approvals that these policies ask for; maybe none."""

    effect: Effect
    policies: Sequence[Policy]


class Cleared(Struct, frozen=True, gc=False):
    """The rule has looked, and nothing speaks against the request, as far as a fresh view tells.

    ``stale`` says what is not known where the view is not fresh.
    """

    stale: str = "the policies at hand may be out of date"


class Spends(Struct, frozen=True, gc=False):
    """The update takes approvals off its object, by these slugs. It may if each lets it through; else ``otherwise``."""

    slugs: frozenset[str]
    otherwise: Refusal


Finding = Refusal | Affected | Cleared | Spends
Findings = Asking[Sequence[Finding]]
