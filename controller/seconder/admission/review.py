"""One review: the request, who asks, the cluster, and which policies cover what it amounts to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.changes import differences, free_changes
from seconder.admission.changes.differences import Fields
from seconder.admission.changes.free_paths import FreePaths
from seconder.admission.dependents import Dependent
from seconder.admission.lookups import ObjectRef, Unknown
from seconder.admission.policy_index import place_of
from seconder.admission.principal import Principal
from seconder.admission.request import Operation, Request
from seconder.admission.state import ClusterState
from seconder.api import constants
from seconder.api.label_selector import NAME_KEY, selects
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode, Policy, Subjects
from seconder.api.resources import NAMESPACES, Action, ResolvedResource, Target
from seconder.approvals.difference import Difference
from seconder.approvals.verification import Memo

MOST_DEPENDENTS: Final = 8
"""More protected objects that go with one are refused together."""


class Effect(Struct, frozen=True, gc=False):
    """What a request amounts to on one object: the action on it.

    ``stored`` are the annotations that the API server holds of the object, approvals among them; ``incoming`` those
    that it would hold afterwards. ``version`` is the API version it is asked about in. ``dependent``: the object goes
    along with the one that the request names; ``since`` says why, where no owner does. ``difference`` is what a
    ``Change`` changes. ``controlled``: some controller made the object, or took it for its own. ``instead``: it
    happens by what these actions are, and policies that ask about one of them do not ask about this one. ``awaited``:
    what the request writes names it, and acts on it once it is there as well.
    """

    action: Action
    target: Target
    version: str
    stored: Mapping[str, str]
    incoming: Mapping[str, str] = {}
    dependent: bool = False
    difference: Difference | None = None
    controlled: bool = False
    since: str = ""
    instead: frozenset[Action] = frozenset()
    awaited: bool = False

    @property
    def ref(self) -> ObjectRef:
        """Where the object is read."""
        resource = ResolvedResource(self.target.resource, self.version, bool(self.target.namespace), custom=False)
        return ObjectRef(resource, self.target.namespace, self.target.name)


def goes_along(target: Target, version: str = "v1", *, awaited: bool = False) -> Effect:
    """The deletion of an object that goes along with the one that the request names. It is not read yet."""
    return Effect(Action.DELETE, target, version, {}, dependent=True, awaited=awaited)


def goes_with(dependent: Dependent) -> Effect:
    """The same of an object that goes by its owners."""
    return goes_along(dependent.target, dependent.resource.version)


class ReviewContext:
    """All that the rules decide one request by. Made once a review; who asks is classified once.

    ``now`` is in seconds since 1970. ``memo`` remembers signatures that were good. ``guards``: the caller is an agent
    from whom Seconder itself and others' identities are kept. ``exempt``: nothing that policies say binds the caller.
    ``keeps_metadata``: it is an update, and none of what ``Metadata`` holds changes by it.
    """

    __slots__ = (
        *("_replicas", "_unlike", "_whole", "_written"),
        *("exempt", "guards", "keeps_metadata", "memo", "mode", "now", "principal", "request", "state"),
    )

    def __init__(
        self,
        request: Request,
        state: ClusterState,
        mode: Mode,
        now: float,
        memo: Memo,
        principal: Principal | None = None,
    ) -> None:
        """``principal``: who asks, where a record tells that instead of the request's own ``userInfo``."""
        self.request = request
        self.state = state
        self.mode = mode
        self.now = now
        self.memo = memo
        self.principal = state.principal(request.caller) if principal is None else principal
        self.guards = mode is Mode.ENFORCE and self.principal.agent
        self.exempt = self.principal.exempt_on(request.target.resource)
        self.keeps_metadata = request.operation is Operation.UPDATE and request.old == request.new
        self._written: tuple[Fields, Fields] | None = None
        self._unlike: tuple[Fields, Fields] | None = None
        self._whole: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._replicas: tuple[int | None, int | None] | None = None

    @property
    def written(self) -> tuple[Fields, Fields]:
        """The stored and the wanted object by their keys: see ``codec.written``, and ``unlike``."""
        if self._written is None:
            self._written = codec.written(self.request)
        return self._written

    @property
    def whole(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The stored and the wanted object, which nobody changes: see ``codec.whole``, and ``unlike``."""
        if self._whole is None:
            self._whole = codec.whole(self.request)
        return self._whole

    @property
    def unlike(self) -> tuple[Fields, Fields]:
        """The fields of the object that are not written alike before and after, as stored and as wanted.

        Of a field that holds others, those of them that are not. Told once, since several rules ask. Raises Malformed.
        """
        if self._unlike is None:
            stored, wanted = self.written
            old, new = stored.copy(), wanted.copy()
            differences.drop_alike(old, new)
            self._unlike = (old, new)
        return self._unlike

    @property
    def replicas(self) -> tuple[int | None, int | None]:
        """See Request. Told once, as ``unlike``."""
        if self._replicas is None:
            self._replicas = self.request.replicas
        return self._replicas

    @property
    def scales_to_zero(self) -> bool:
        """Whether an update sets ``spec.replicas`` to 0, through the object or its scale subresource."""
        if self.request.operation is not Operation.UPDATE:
            return False
        old, new = self._replicas or self.replicas
        return new == 0 and old != 0

    @property
    def may_end(self) -> bool:
        """See Request; or by the hand of a program for which an update marks the object. Raises Malformed, Unknown."""
        return self.request.may_end or self.marks

    @property
    def marks(self) -> bool:
        """Whether an update marks the object for a program that may delete it. Raises Malformed and Unknown."""
        old, new = self.request.old, self.request.new
        # Most updates leave labels and annotations as they are.
        if old.annotations == new.annotations and old.labels == new.labels:
            return False
        return self.request.updates and self.changes([free_changes.MARKS])

    @property
    def rewrites(self) -> bool:
        """Whether an update changes what is not free on objects of the kind by themselves. Raises as ``changes``."""
        return self.request.updates and self.changes([free_changes.built_in(self.request.target.resource)])

    def changes(self, free: Sequence[FreePaths]) -> bool:
        """Whether an update changes more of its object than what each of these frees. Raises Malformed and Unknown."""
        if codec.may_be_lossy(self.request) and self.principal.agent:
            self.check_told(free)
        # As they are written: nearly all that agents do is free.
        if differences.surely_free(*self.unlike, differences.kept_by_server(tuple(free))):
            return False
        try:
            return differences.differ(*self.whole, free)
        except RecursionError:
            raise Unknown("what it changes cannot be told: the object nests too deeply") from None

    def check_told(self, free: Sequence[FreePaths]) -> None:
        """Raise Unknown where an update's object holds text that nobody tells, and that is not free. Raises Malformed.

        What is written alike may then be another text.
        """
        try:
            if any(differences.differ(one, other, free) for one, other in codec.untold(self.request)):
                raise Unknown("what it changes cannot be told: it holds text that is not UTF-8")
        except RecursionError:
            raise Unknown("what it changes cannot be told: the object nests too deeply") from None

    def effect(self, action: Action, stored: Mapping[str, str] | None = None) -> Effect:
        """The effect of the request on its object. ``stored``: where the review carries no annotations."""
        request, target = self.request, self.request.target
        if request.subresource == "scale":
            # The review of a Scale names that kind, and not the object's own.
            kind = self.state.policies.kind_of(target.resource) or target.kind
            target = msgspec.structs.replace(target, kind=kind)
        incoming = {} if action is Action.DELETE else request.incoming
        annotations = request.stored if stored is None else stored
        owned = bool(request.old.owner_references)
        controlled = owned and request.old.controller_owner is not None
        return Effect(action, target, request.version, annotations, incoming, controlled=controlled)

    def naming(self, effect: Effect) -> list[Policy]:
        """The policies that name the object itself and its action, and bind the caller."""
        return self.covering(self.state.policies.naming(effect.target.resource, place_of(effect.target)), effect)

    def covering(self, policies: Sequence[Policy], effect: Effect) -> list[Policy]:
        """Those of some policies that ask about this action on this object by this caller."""
        return [policy for policy in policies if self._asks(policy, effect)]

    def _asks(self, policy: Policy, effect: Effect) -> bool:
        if policy.mode is not self.mode or effect.action not in policy.actions or not self.binds(policy, effect):
            return False
        if effect.instead and not effect.instead.isdisjoint(policy.actions):
            return False
        if policy.selector and not self.selected(policy, effect.target, unknown=self._by_agent(policy)):
            return False
        if effect.action is Action.CHANGE:
            # Agents alone: what is tagged as theirs is written by people and controllers all day.
            return self._acts_as_agent(policy.agents)
        # Controllers and people set owners all day: this is asked of agents alone, and on what is tagged as theirs.
        return effect.action is not Action.CHANGE_OWNERS or self.principal.agent or self._tagged(policy.agents, effect)

    def selected(self, policy: Policy, target: Target, *, unknown: bool) -> bool:
        """Whether the policy is about the place of an object. ``unknown``: what to say where its labels are not known.

        A Namespace that the request is about has the labels that are stored.
        """
        place = place_of(target)
        if not policy.selector or not place or place in policy.namespaces:
            return True
        request = self.request
        stored = request.target.resource == target.resource == NAMESPACES and request.target.name == place
        if stored and request.operation is not Operation.CREATE and request.old.uid:
            labels: Mapping[str, str] | None = request.old.labels or {}
        else:
            named = all(requirement.key == NAME_KEY for requirement in policy.selector)
            labels = {} if named else self.state.namespaces.get(place)
        # The API server sets this one, whatever else there is.
        return unknown if labels is None else selects(policy.selector, {**labels, NAME_KEY: place})

    def _by_agent(self, policy: Policy) -> bool:
        """Whether an agent asks, by its identity or its field manager: of people's requests unknown means no."""
        return self.principal.agent or self.request.options.field_manager in policy.agents.field_managers

    def binds(self, policy: Policy, effect: Effect) -> bool:
        """Whether the policy binds this caller on this object; what it names is looked at elsewhere."""
        principal, installation = self.principal, self.state.installation
        # An invalid policy may be invalid in its tags: the defaults count beside them.
        if policy.agents in principal.tags or (policy.problem and DEFAULT_TAGS in principal.tags):
            return True
        if principal.username in installation.controllers:
            return False
        if self._tagged(policy.agents, effect):
            return True
        if policy.problem or policy.subjects is Subjects.AGENTS:
            return False
        spared = {"kube-system", installation.namespace}
        if effect.target.resource.group == constants.DOMAIN or place_of(effect.target) in spared:
            return False
        return principal.agent or principal.username not in policy.exempt_users

    def _acts_as_agent(self, tags: AgentTags) -> bool:
        """Whether the caller is an agent by identity, or by the field manager of its update."""
        principal, manager = self.principal, self.request.options.field_manager
        return principal.agent or tags in principal.tags or manager in tags.field_managers

    def _tagged(self, tags: AgentTags, effect: Effect) -> bool:
        """Whether a policy with these tags takes the request as an agent's, by identity, field manager or annotation.

        An annotation counts whether it is stored or new, but not on what a controller made: it came by a template then,
        from whoever wrote that. A deletion has no field manager that counts.
        """
        if tags in self.principal.tags:
            return True
        manages = self.request.operation is not Operation.DELETE and effect.action is not Action.DELETE
        if manages and self.request.options.field_manager in tags.field_managers:
            return True
        if effect.controlled:
            return False
        return not (tags.annotations.isdisjoint(effect.stored) and tags.annotations.isdisjoint(effect.incoming))
