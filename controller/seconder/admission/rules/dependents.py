"""What goes along with an object: the garbage collector deletes what is owned by an object that is gone.

And what its own controller ends while it is there, on the word of its fields.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import cel, coverage, defined_kinds, dependents, losses
from seconder.admission.changes import free_changes
from seconder.admission.changes.free_changes import REPLICAS
from seconder.admission.dependents import ORPHAN_FINALIZER, Dependent, comes_to_leave
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import adoption, along, of_pods, parents
from seconder.admission.indirect.parents import Loss
from seconder.admission.kinds import ADOPTERS, BY_SELECTOR, MADE_FOR_PODS, MAKERS
from seconder.admission.lookups import Asking, Dependents, NamingOwners, ask
from seconder.admission.policy_index import Installation, PolicyIndex, place_of
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_with
from seconder.admission.rule import Binds, Rule
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NAMESPACES, Action, GroupResource, Target

_UNREAD: Final = "the approvals of what it owns could not be looked up"
_WITH_OWNER: Final = "the garbage collector deletes it with its owners, whatever ends these"
_BY_WORD: Final = "some program or controller ends it on such a word"
_LEAVES: Final = f"the finalizer {ORPHAN_FINALIZER} leaves behind what the object owns, whatever ends it"
_SOUGHT: Final = "the garbage collector looks for its owner once the kind of that is served, and finds none"
_BY_OPTION: Final = "Leave it out, and delete the object with propagationPolicy: Orphan once that is due."


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on each protected object that would go with the one that the request names, or by its word."""
    request, target, policies = context.request, context.request.target, context.state.policies
    if not policies.follows:
        return []
    # Where nothing takes what is left, whatever else the update does still counts. Most objects have no finalizer.
    if request.new.finalizers and comes_to_leave(request) and (yield from adoption.may_matter(context)):
        return [Refusal(_LEAVES, Reason.APPROVAL_MISSING, _BY_OPTION)]
    # Most policies ask about whatever an update may be.
    itself = _itself(context) if policies.reticent and request.operation is Operation.UPDATE else ()
    if not (request.may_end or context.marks):
        if request.operation is Operation.CREATE:
            return (yield from _answerable(context)) if target.resource == DEFINITIONS else []
        # Not by ``updates``: each update comes by here.
        looks = request.operation is Operation.UPDATE and (
            _may_end_others(context)
            or (policies.pods_hold and target.resource in MAKERS and (yield from _ends_what_pods_hold(context)))
        )
        effects = [*itself, *((yield from _ended(context)) if looks else ())]
        return (yield from losses.findings(context, effects, _UNREAD)) if effects else []
    if request.evicts:
        pod = yield from coverage.read(Effect(Action.DELETE, target, request.version, {}), Dependents.unknown)
        if pod is None:
            return []
        target = msgspec.structs.replace(target, uid=pod.uid)
    keys = dependents.keys(request, target)
    leaves = not keys
    left: Sequence[Effect] = ()
    if leaves:
        # Of a workload the table tells it.
        left = [] if target.resource in BY_SELECTOR else (yield from adoption.left_behind(context))
        if not (left or policies.pods_hold or policies.follows_some_of(ADOPTERS.keys())):
            return []
        keys = frozenset({target.uid})
    # Not by ``ask``: each deletion comes by here.
    owned: Sequence[Dependent] = yield Dependents(keys, target)
    if leaves:
        # What it leaves behind, another controller takes for its own, and ends what is too much.
        owned = [each for each in owned if each.chain[-2] in ADOPTERS]
    if policies.pods_hold and target.resource in MAKERS:
        owned = yield from _with_held(context, target, owned)
    if not (owned or left or itself):
        # Most own nothing.
        return []
    effects = [*itself, *(yield from _lost(context, owned))]
    if left:
        effects += yield from _left_besides(context, left, effects)
    return (yield from losses.findings(context, effects, _UNREAD)) if effects else []


def _left_besides(context: ReviewContext, left: Sequence[Effect], effects: Sequence[Effect]) -> Asking[list[Effect]]:
    """What is left behind and ended by another controller, with what goes with that, beside these."""
    known = {each.target for each in effects}
    return [each for each in (yield from along.with_further(context, left, left)) if each.target not in known]


def _itself(context: ReviewContext) -> Sequence[Effect]:
    """The deletion of the request's own object, for policies that do not ask about that by which it goes.

    ``ChangeOwners``, or a ``Change`` of a mark or a field on whose word some program or controller deletes it. What a
    policy asks about as ``Change`` is the new owner as well, but of what a namespace holds, or a definition defines.
    """
    request = context.request
    found: list[Effect] = []
    deletion = msgspec.structs.replace(context.effect(Action.DELETE), dependent=True)
    if request.added_owners:
        holds = request.target.resource in {NAMESPACES, DEFINITIONS}
        asked = frozenset({Action.CHANGE_OWNERS} if holds else {Action.CHANGE_OWNERS, Action.CHANGE})
        found.append(msgspec.structs.replace(deletion, instead=asked, since=_WITH_OWNER))
    marked = msgspec.structs.replace(deletion, instead=frozenset({Action.CHANGE}), since=_BY_WORD)
    # Told last, since it may take reading all of the object.
    if context.naming(marked) and context.changes([free_changes.ending(request.target.resource)]):
        found.append(marked)
    return [each for each in found if coverage.may_be_covered(context, each)]


def _answerable(context: ReviewContext) -> Findings:
    """``Delete`` on what names an owner of a kind that a new definition has served, and on what goes with that.

    What was restored into a cluster without the kind lasts only while nobody can look for its owner.
    """
    request, target = context.request, context.request.target
    owned = yield from ask(NamingOwners(defined_kinds.keys(request), target))
    if not owned:
        # Most kinds that come to be served own nothing yet.
        return []
    # Where one is there, nothing is made: who installs a chart once more tries that first. One that is on its way out
    # may be gone by then.
    there = yield from coverage.read(context.effect(Action.DELETE), _UNREAD)
    if there is not None and there.deletion_timestamp is None:
        return []
    lost = [msgspec.structs.replace(each, since=_SOUGHT) for each in (yield from _lost(context, owned))]
    return (yield from losses.findings(context, lost, _UNREAD)) if lost else []


def _may_end_others(context: ReviewContext) -> bool:
    """Whether some policy asks about deletions, and not about each change of this object."""
    policies = context.state.policies
    asking = policies.protecting(context.request.target)
    # They are among the enforced ones.
    return len(asking) < len(policies.enforced) or not all(_sees(context, policy) for policy in asking)


def _ends_what_pods_hold(context: ReviewContext) -> Asking[bool]:
    """Whether an update of a workload ends pods that may hold something of their own.

    Its template tells that: most hold nothing, and are rolled out and sized all day. A Scale holds none, and so it is
    read where some pods there do.
    """
    request = context.request
    if request.subresource != "scale":
        return of_pods.names_a_template(request.body)
    place = request.target.namespace
    if parents.loss(context) is None or not (yield from of_pods.hold(context, place)):
        return False
    stored = yield from coverage.read_whole(context.effect(Action.DELETE, {}), _UNREAD)
    return of_pods.names_a_template(msgspec.json.encode(stored))


def _ended(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What is ended by the object's own controller, while the object stays.

    With a definition change all objects of the kind: their fields go or come by its schema, or they are served no more.
    """
    request, target = context.request, context.request.target
    loss = parents.loss(context)
    # Most of what agents do ends nothing.
    if loss is None:
        return []
    owned = yield from ask(Dependents(dependents.keys(request, target), target))
    ended: Sequence[Dependent] = [each for each in owned if loss.of(each)]
    if target.resource in MAKERS:
        ended = yield from _with_held(context, target, ended)
    return (yield from _lost(context, ended, loss)) if ended else []


def _with_held(context: ReviewContext, workload: Target, gone: Sequence[Dependent]) -> Asking[Sequence[Dependent]]:
    """What goes by a workload, and what goes with its pods."""
    held = yield from of_pods.of_workload(context, workload)
    known = {each.uid for each in gone}
    return [*gone, *(each for each in held if each.uid not in known)]


def _lost(context: ReviewContext, gone: Sequence[Dependent], loss: Loss | None = None) -> Asking[Sequence[Effect]]:
    """The deletions that need approval, of these objects and of what goes with them in turn. ``loss``: as below."""
    effects = _protected(context, gone, loss)
    further = yield from along.with_further(context, effects, [goes_with(each) for each in gone])
    if loss is None:
        return further
    known = {each.target for each in effects}
    return [each for each in further if each.target in known or not _told(context, loss, each.target)]


def _told(context: ReviewContext, loss: Loss, lost: Target) -> bool:
    """Whether all policies that protect an object ask about this very change of the request's own."""
    protecting = context.state.policies.protecting
    asking, policies = protecting(context.request.target), protecting(lost)
    return bool(policies) and all(
        policy in asking and _sees(context, policy) and not (loss.free and _frees(context, policy))
        for policy in policies
    )


def _sees(context: ReviewContext, policy: Policy) -> bool:
    """Whether a policy that names the request's own object asks about each change of that."""
    return Action.CHANGE in policy.actions and context.selected(policy, context.request.target, unknown=False)


def _frees(context: ReviewContext, policy: Policy) -> bool:
    """Whether a policy that names the request's own object leaves free what is changed of it."""
    free = free_changes.of(policy, context.request.target.resource)
    if context.request.subresource == "scale":
        return free_changes.frees(free, REPLICAS)
    return not context.changes([free])


def _protected(context: ReviewContext, owned: Sequence[Dependent], loss: Loss | None = None) -> list[Effect]:
    """The deletions that need approval. ``loss``: of what is ended by an object that stays."""
    known: dict[tuple[GroupResource, str], list[Policy]] = {}

    def protecting(target: Target) -> list[Policy]:
        place = (target.resource, place_of(target))
        if place not in known:
            named = context.state.policies.protecting(target)
            known[place] = [policy for policy in named if context.selected(policy, target, unknown=True)]
        return known[place]

    def answered(policy: Policy, dependent: Dependent) -> bool:
        """Whether the policy asks about what it is made of, and what its controller makes needs nothing besides."""
        makers = dependent.makers
        if loss is None:
            return any(policy in protecting(maker) for maker in makers)
        itself, between = context.request.target, makers[: len(dependent.above)]
        if policy in protecting(itself) and (_sees(context, policy) or (loss.free and makers != between)):
            # What is free of a workload may end pods, and not what else the policy names.
            return not (loss.free and dependent.resource.resource in MADE_FOR_PODS and _frees(context, policy))
        return any(policy in protecting(maker) for maker in between)

    return [
        goes_with(dependent)
        for dependent in owned
        if not all(answered(policy, dependent) for policy in protecting(dependent.target))
        # With a definition go all objects of its kind.
        or (dependent.resource.resource == DEFINITIONS and coverage.may_be_covered(context, goes_with(dependent)))
    ]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever agents delete or update, since it may own what a policy names; what they make that ends or leaves it."""
    if not index.follows:
        return []
    ends = 'request.operation in ["DELETE", "UPDATE"]'
    evicts = f'request.operation == "CREATE" && {cel.subresource("eviction")}'
    finalizers = "object.metadata.finalizers"
    leaves = f'request.operation == "CREATE" && object != null && has(object.metadata) && has({finalizers})'
    leaves = f"{leaves} && {cel.quote(ORPHAN_FINALIZER)} in {finalizers}"
    return [Prefilter(Entry.GUARD, test) for test in (ends, evicts, leaves, defined_kinds.DEFINES)]


RULE: Final = Rule(
    "dependents",
    "No protected object goes along with another that an agent deletes, gives away, or changes, nor by such a change of"
    " its own that its policy does not ask about, nor with an owner whose kind was not there to be asked for.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    along=True,
)
