"""What a row of the table of indirect deleters is."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from seconder.admission.changes import free_changes
from seconder.admission.findings import Refusal
from seconder.admission.lookups import Asking
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.api.resources import Action, GroupResource


class Deleter(Struct, frozen=True):
    """A kind on whose word some controller ends other objects.

    ``by`` and ``ends`` say for people what an agent does to it, and what that ends; ``reason``: by whose hand.
    ``losses`` gives the deletions to which a request amounts, or why nobody can approve it. It is asked about writes of
    ``resource`` alone, and raises Unknown where they cannot be told. ``operations``: of which it is asked. ``only``: it
    ends objects of these kinds alone, and is not asked where nobody protects any; None where that is not said.
    ``word``: it is not asked about requests in which this stands nowhere.
    For whoever lends the right to it (``means``): ``kinds`` are what it ends; None: ``only``, and without that whatever
    is protected, wherever it is. ``part``: the subresource by which it is done; ``only_in``: the namespace where.
    ``namespaced``: its objects may be in namespaces. ``alone``: it takes nothing else beside it. ``deletes``: of what
    it ends, what is deleted when its object is, with what goes with that.
    Where its object goes with an owner or the like, it ends what its deletion does, about which ``losses`` is asked.
    ``stays`` says why not, where that ends nothing. ``far``: it ends what is in other namespaces, too.
    """

    resource: GroupResource
    by: str
    ends: str
    reason: str
    losses: Callable[[ReviewContext], Asking[Sequence[Effect | Refusal]]]
    operations: frozenset[Operation]
    only: frozenset[GroupResource] | None = None
    kinds: frozenset[GroupResource] | None = None
    part: str = ""
    only_in: str = ""
    namespaced: bool = True
    alone: bool = True
    word: bytes = b""
    deletes: frozenset[GroupResource] = frozenset()
    stays: str = ""
    far: bool = False

    @property
    def goes_along(self) -> bool:
        """Whether it ends others where its object goes with another."""
        return Operation.DELETE in self.operations and not self.stays

    @property
    def ended(self) -> frozenset[GroupResource]:
        """The kinds of what it ends, where that is said."""
        return self.kinds or self.only or frozenset()


def asked_anyway(context: ReviewContext) -> frozenset[str]:
    """The names of the policies that ask about the request itself, as a ``Change`` of its object.

    Whoever signs for that has seen what it says; the same policies need not ask again about what it says of others.
    """
    if not context.request.updates:
        return frozenset()
    effect = context.effect(Action.CHANGE)
    naming = context.naming(effect)
    if not naming or not context.changes(free_changes.of_all(naming, effect.target.resource)):
        return frozenset()
    return frozenset(policy.name for policy in naming)
