"""The one place where a request is let through or refused.

Pure, so that the webhook, the command line and the tests reach the same verdict from the same values. The module
``prerequisites`` says what must be looked up before.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import (
    actions,
    borrowing,
    break_glass,
    dangling,
    grants,
    guard,
    messages,
    policy_index,
    principal,
    reach,
)
from seconder.admission.evidence import Evidence, World, requester_of
from seconder.admission.principal import Requester
from seconder.admission.request import Request
from seconder.api import constants
from seconder.api.policy import Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import Action
from seconder.api.text import clean
from seconder.approvals import draft, impact
from seconder.approvals.change import Change
from seconder.approvals.quorum import Failure, judge_all, verify_all
from seconder.approvals.verification import Approval, Memo, approvals_of, context_of


class Decision(Struct, frozen=True, gc=False):
    """A verdict. Made by this module alone; ``allowed`` has no default on purpose.

    ``message`` and ``ask`` are a refusal's words: what is missing, and whom to ask. ``change`` is what a change request
    would record, None where none is due; ``recorded`` gives the words for when there is one. ``broken_glass`` is the
    reason on the object for which somebody passed policies by. ``parts`` are the decisions on each object, where there
    is more than one to decide on; a refusal's are those that refuse.
    """

    allowed: bool
    reason: Reason
    requester: Requester
    action: Action | None
    message: str = ""
    ask: str = ""
    policies: Sequence[str] = ()
    counted: Sequence[Approval] = ()
    failures: Sequence[Failure] = ()
    change: Change | None = None
    broken_glass: str = ""
    parts: Sequence["Decision"] = ()

    def text(self, *, recorded: bool = False) -> str:
        """Give all that a refused caller reads. ``recorded``: there is a change request for it."""
        ask = messages.ask_with_change_request(self.change, self.ask) if recorded and self.change else self.ask
        return f"{self.message}\n{ask}" if ask else self.message


_REWRITTEN: Final = (
    "No approval changes this. If you added no owner, something rewrites requests in this cluster: ask the people who"
    " run it to look at its mutating webhooks and policies."
)
_TRY_AGAIN: Final = "Try again in a moment; if it stays so, tell the people who run this cluster."


def decide(request: Request, world: World, mode: Mode, evidence: Evidence, now: float, memo: Memo) -> Decision:
    """Decide one request under the policies of one mode. ``now`` is in seconds since 1970.

    Nothing is allowed but by falling under no policy, by being the control plane's own controller, or by satisfying
    every policy that covers the request, for each action that it amounts to; and no owner that does not exist.
    """
    requester = requester_of(request, world)
    if principal.builtin_controller(request):
        exempt = Decision(True, Reason.EXEMPT, requester, None)
        return _dangling(request, requester, world, mode, evidence) or exempt

    if mode is Mode.ENFORCE and requester.agent:
        end = world.token_ends.get(request.caller.username)
        own = guard.refusal(request, world.policies.known_tags, world.own, None if end is None else end - now)
        if own:
            return _refused(request, requester, f"agents may not change {own}", Reason.PROTECTED_CONFIGURATION)
        if guard.renews(request) and not evidence.fresh:
            return _undecided(request, requester, "the end at hand of its tokens may be out of date")
        refused = _grant(request, requester, world, evidence) or _borrowed(request, requester, world, evidence)
        if refused is not None:
            return refused
    lost = _dangling(request, requester, world, mode, evidence)
    if lost is not None:
        return lost

    decided = Decision(True, Reason.NOT_COVERED, requester, None)
    for action in actions.actions(request):
        step = _Case(request, requester, world, mode, action, evidence, now, memo).decide()
        if not step.allowed:
            return step
        decided = step if decided.reason is Reason.NOT_COVERED else _both(decided, step)
    other = reach.elsewhere(request, requester, world, mode)
    if other is not None:
        step = _on_other(request, *other, requester, world, mode, evidence, now, memo)
        if not step.allowed:
            return step
        decided = step if decided.reason is Reason.NOT_COVERED else _both(decided, step)
    if reach.owner_keys(request, requester, world, mode):
        return _with_owned(decided, request, world, evidence, now, memo)
    return decided


@dataclass(frozen=True, slots=True)
class _Case:
    """One action of one request, and all that it is decided by."""

    request: Request
    requester: Requester
    world: World
    mode: Mode
    action: Action
    evidence: Evidence
    now: float
    memo: Memo

    def decide(self) -> Decision:
        request, requester, world, evidence = self.request, self.requester, self.world, self.evidence
        covered = policy_index.covering(request, requester, world.policies, self.mode, self.action, world.own)
        if self.action in actions.ENDINGS:
            within = reach.holding(request, requester, world, self.mode, self.action, covered)
            if within:
                if evidence.contents is None or impact.unresolved(within):
                    return self._undecided("what the namespace holds could not be looked up")
                covered += [policy for policy in within if impact.held(policy, evidence.contents)]
            defining = policy_index.covering_definition(
                request, requester, world.policies, self.mode, world.own, self.action
            )
            covered += [policy for policy in defining if policy not in covered]
        if not covered or self._owners_are_protected():
            if not evidence.fresh:
                return self._undecided("the policies at hand may be out of date")
            return Decision(True, Reason.NOT_COVERED, requester, self.action)

        invalid = [policy.name for policy in covered if policy.problem]
        if invalid:
            what = f"{_policies(invalid)} invalid, and so refuses what it names"
            named = " ".join(sorted(set(invalid)))
            advice = f"Ask an administrator to mend it: kubectl describe protectionpolicy {named}"
            return _refused(request, requester, what, Reason.POLICY_INVALID, advice, covered, self.action)
        stored = self._annotations()
        if stored is None:
            return self._undecided("the object's approvals could not be looked up")
        # An agent that works with a person's credential is one by its field manager alone.
        given_away = request.field_manager in world.policies.known_tags.field_managers
        passable = [] if given_away else covered
        passed, emergency = break_glass.broken(stored, request.caller, requester, passable, self.now)
        if not passed:
            return self._judged(covered, stored)
        if not evidence.fresh:
            return self._undecided("the policies at hand may be out of date")
        others = [policy for policy in covered if policy not in passed]
        if others:
            judged = self._judged(others, stored)
            return msgspec.structs.replace(judged, broken_glass=emergency) if judged.allowed else judged
        return Decision(
            True, Reason.BREAK_GLASS, requester, self.action, policies=_names(covered), broken_glass=emergency
        )

    def _annotations(self) -> Mapping[str, str] | None:
        """Give the object's annotations as they are stored; None where they are not known."""
        if not actions.scales(self.request):
            return self.request.stored
        live = (self.evidence.objects or {}).get(reach.itself(self.request))
        # Another object may have taken the name meanwhile.
        return live.annotations if live is not None and live.uid == self.request.target.uid else None

    def _owners_are_protected(self) -> bool:
        """Say whether every owner that the request adds is itself protected: then nothing is lost by it.

        One that is being deleted is past its protection, and takes along what it is given.
        """
        if self.action is not Action.CHANGE_OWNERS:
            return False
        found = self.evidence.objects or {}
        for owner in actions.added_owners(self.request):
            ref = reach.protected_owner(owner, self.request, self.requester, self.world, self.mode)
            live = found.get(ref) if ref is not None else None
            if live is None or live.uid != owner.uid or live.leaving:
                return False
        return True

    def _judged(self, covered: Sequence[Policy], stored: Mapping[str, str]) -> Decision:
        request, requester, world = self.request, self.requester, self.world
        values = approvals_of(stored)
        if not values:
            return self._unmet(Reason.APPROVAL_MISSING, covered, covered, stored)
        bound = draft.binds_impact(request.target, self.action, covered)
        going = None
        if bound:
            if self.evidence.contents is None:
                return self._undecided("what the namespace holds could not be looked up")
            going = impact.impact(bound, self.evidence.contents)
        change = self._change(covered, stored)
        context = context_of(change, world.audience)
        presented = verify_all(values, context, world.registry, self.now, self.memo)
        judged = judge_all(presented, covered, going.sha256 if going is not None else None)
        if judged.unmet:
            counts = "" if going is None else going.summary
            return self._unmet(judged.reason, covered, judged.unmet, stored, judged.failures, counts)
        if not self.evidence.fresh:
            return self._undecided("the approvers at hand may be out of date")
        return Decision(
            True,
            Reason.APPROVED,
            requester,
            self.action,
            policies=_names(covered),
            counted=judged.counted,
            failures=judged.failures,
            change=change,
        )

    def _unmet(
        self,
        reason: Reason,
        covered: Sequence[Policy],
        unmet: Sequence[Policy],
        stored: Mapping[str, str],
        failures: Sequence[Failure] = (),
        impact: str = "",
    ) -> Decision:
        """Refuse for want of approvals."""
        request, requester, action = self.request, self.requester, self.action
        due = self.mode is Mode.ENFORCE and not request.dry_run
        return Decision(
            False,
            reason,
            requester,
            action,
            messages.needs_approval(request, requester, action, reason, unmet, failures, impact),
            messages.whom_to_ask(request, action, approvers=self.world.registry.usable > 0),
            policies=_names(covered),
            failures=failures,
            change=self._change(covered, stored) if due else None,
        )

    def _change(self, covered: Sequence[Policy], stored: Mapping[str, str]) -> Change:
        return Change(
            requester=self.requester.username,
            by_agent=self.requester.agent,
            agent=self.requester.agent_name,
            operators=self.requester.operators,
            target=self.request.target,
            version=self.request.version,
            action=self.action,
            claimed=clean(stored.get(constants.REASON_KEY, "")),
            policies=tuple(covered),
        )

    def _undecided(self, what: str) -> Decision:
        return _undecided(self.request, self.requester, what, self.action)


def _on_other(
    request: Request,
    on_other: Request,
    action: Action,
    requester: Requester,
    world: World,
    mode: Mode,
    evidence: Evidence,
    now: float,
    memo: Memo,
) -> Decision:
    """Decide on the object that a request amounts to an action on, by the approvals on that object."""
    if evidence.objects is None:
        return _undecided(request, requester, "the approvals of what it amounts to could not be looked up")
    live = evidence.objects.get(reach.itself(on_other))
    if request.maker is not None and (live is None or live.uid != request.maker.uid):
        # Nobody's any more: it is what it is.
        return Decision(True, Reason.NOT_COVERED, requester, action)
    if live is None:
        what = "the workload that it may scale to nothing is not there, so that nobody can approve it"
        return _refused(request, requester, what, Reason.APPROVAL_MISSING, "Make the workload first.")
    target = dataclasses.replace(on_other.target, uid=live.uid)
    known = msgspec.structs.replace(on_other, target=target, stored=live.annotations, incoming=live.annotations)
    return _Case(known, requester, world, mode, action, evidence, now, memo).decide()


def _with_owned(
    itself: Decision, request: Request, world: World, evidence: Evidence, now: float, memo: Memo
) -> Decision:
    """Decide on what goes along with an object that may go: each needs the approvals of a deletion of its own."""
    requester = itself.requester
    if evidence.owned is None:
        return _undecided(request, requester, "what it owns is not known yet")
    along = reach.along(request, world, evidence.owned)
    if len(along) > reach.MOST_OBJECTS or (along and len(reach.endings_of_namespaces(request, along)) > 1):
        what = f"{len(along)} protected objects go with it, too many to be approved together"
        advice = "Ask an approver about these objects themselves: they can be deleted one by one."
        return _refused(request, requester, what, Reason.APPROVAL_MISSING, advice)
    if along and evidence.objects is None:
        return _undecided(request, requester, "the approvals of what it owns could not be looked up")
    decided, parts, unmet = itself, [itself], []
    for deletion in along:
        live = (evidence.objects or {}).get(reach.itself(deletion))
        if live is None:
            continue  # gone before it
        if live.uid != deletion.target.uid:
            return _undecided(request, requester, "what it owns has just changed")
        known = msgspec.structs.replace(deletion, stored=live.annotations)
        part = _Case(known, requester, world, Mode.ENFORCE, Action.DELETE, evidence, now, memo).decide()
        parts.append(part)
        if not part.allowed:
            unmet.append((part, deletion.target))
        else:
            decided = part if decided.reason is Reason.NOT_COVERED else _both(decided, part)
    if unmet:
        first = unmet[0][0]
        text = messages.goes_along(first.message, request, [target for _, target in unmet[1:]])
        return msgspec.structs.replace(first, message=text, parts=[part for part, _ in unmet])
    return msgspec.structs.replace(decided, parts=parts) if len(parts) > 1 else decided


def _dangling(request: Request, requester: Requester, world: World, mode: Mode, evidence: Evidence) -> Decision | None:
    """Refuse an owner that does not exist; None where each one exists, or other things decide."""
    asked = dangling.to_find(request, requester, world.policies, mode, world.own)
    if not asked:
        return None
    action = Action.CHANGE_OWNERS
    if evidence.missing is None:
        what = "whether the owner that it would get exists could not be looked up"
        return _undecided(request, requester, what, action)
    for owner in asked:
        if owner in evidence.missing:
            named = clean(f"{owner.kind} {owner.name}")
            what = f"the owner that it would get, {named}, does not exist or is being deleted, and it would go as well"
            return _refused(request, requester, what, Reason.PROTECTED_CONFIGURATION, _REWRITTEN, action=action)
    return None


def _grant(request: Request, requester: Requester, world: World, evidence: Evidence) -> Decision | None:
    """Refuse an agent that gives away what it may not; None when it does not."""
    if request.rbac is None:
        return None
    if grants.role_to_read(request) is not None and evidence.role is None:
        return _undecided(request, requester, "the role could not be looked up")
    given = grants.refusal(request, world.policies, evidence.role or (), evidence.owning or ())
    if given:
        return _refused(request, requester, f"agents may not {given}", Reason.PROTECTED_CONFIGURATION)
    if evidence.owning is None:
        return _undecided(request, requester, "what owns protected objects is not known yet")
    # What may be given away depends on what policies name.
    if not evidence.fresh:
        return _undecided(request, requester, "the policies at hand may be out of date")
    return None


def _borrowed(request: Request, requester: Requester, world: World, evidence: Evidence) -> Decision | None:
    """Refuse an agent that would act as somebody else who may do what it may not; None when it does not."""
    if borrowing.account(request, world.own) is None:
        return None
    if evidence.borrowed is None:
        return _undecided(request, requester, "what the pod's ServiceAccount may do could not be looked up")
    borrowed = borrowing.refusal(evidence.borrowed, request, world.policies, world.token_ends)
    if borrowed:
        return _refused(request, requester, f"agents may not {borrowed}", Reason.PROTECTED_CONFIGURATION)
    if evidence.owning is None:
        return _undecided(request, requester, "what owns protected objects is not known yet")
    if not evidence.fresh:
        return _undecided(request, requester, "the policies at hand may be out of date")
    return None


def _both(first: Decision, second: Decision) -> Decision:
    """Join what let two actions of one request, or two objects, through."""
    if second.reason is Reason.NOT_COVERED:
        return first
    return msgspec.structs.replace(
        first,
        policies=tuple(sorted({*first.policies, *second.policies})),
        counted=tuple({(each.slug, each.statement.jti): each for each in (*first.counted, *second.counted)}.values()),
        failures=(*first.failures, *second.failures),
        broken_glass=first.broken_glass or second.broken_glass,
    )


def _refused(
    request: Request,
    requester: Requester,
    what: str,
    reason: Reason,
    advice: str = "No approval changes this. Ask a person who administers this cluster.",
    covered: Sequence[Policy] = (),
    action: Action | None = None,
) -> Decision:
    text = messages.refused(request, requester, what, reason)
    return Decision(False, reason, requester, action, text, advice, _names(covered))


def _undecided(request: Request, requester: Requester, what: str, action: Action | None = None) -> Decision:
    return _refused(request, requester, what, Reason.INTERNAL_ERROR, _TRY_AGAIN, action=action)


def _names(policies: Sequence[Policy]) -> tuple[str, ...]:
    return tuple(sorted({policy.name for policy in policies}))


def _policies(names_: Sequence[str]) -> str:
    unique = sorted(set(names_))
    return f"policy {unique[0]} is" if len(unique) == 1 else f"policies {', '.join(unique)} are"
