"""What a rule is."""

from collections.abc import Callable, Sequence
from enum import Enum

from msgspec import Struct

from seconder.admission.findings import Findings
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Prefilter
from seconder.admission.review import ReviewContext
from seconder.api.resources import Action


class Binds(Enum):
    """Whose requests a rule looks at."""

    AGENTS = "agents"
    """Agents by identity, in mode Enforce."""
    CALLERS = "callers"
    """Everybody but the control plane's own controllers."""
    EVERYBODY = "everybody"
    """The control plane's own controllers too."""


class Rule(Struct, frozen=True):
    """One rule. ``name`` stands in the documents and in the tests; ``promise`` says what it keeps from happening.

    ``evaluate`` is a pure generator: it yields look-ups, is sent their answers, and returns what it finds. An answer
    that is not known is thrown into it as ``Unknown``, which denies the request. ``prefilters`` say what the API
    server must ask Seconder about so that the rule sees all that it would find something in.
    ``action`` is the one on the request's own object, if it finds one.
    """

    name: str
    promise: str
    binds: Binds
    evaluate: Callable[[ReviewContext], Findings]
    prefilters: Callable[[PolicyIndex, Installation], Sequence[Prefilter]]
    action: Action | None = None

    def looks_at(self, context: ReviewContext) -> bool:
        """Whether the caller is one whose requests the rule looks at."""
        if self.binds is Binds.EVERYBODY:
            return True
        if context.principal.exempt_on(context.request.target.resource):
            return False
        return self.binds is Binds.CALLERS or context.guards
