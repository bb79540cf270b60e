"""What a rule may ask while it decides: each question a type of its own, with the type of its answer.

A rule yields one and is sent the answer, or ``Unknown`` is thrown into it. Nothing here looks anything up: a resolver
in another room answers.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from msgspec import Raw, Struct

from seconder.admission.dependents import Dependent
from seconder.admission.indirect.aliases import Alias
from seconder.admission.indirect.named import Found
from seconder.admission.rbac import RoleRef, Rule
from seconder.admission.request import Metadata, Owner
from seconder.api.label_selector import Selector
from seconder.api.resources import GroupResource, ResolvedResource, Target
from seconder.approvals.impact import Contents

A = TypeVar("A")


class Lookup(Struct, Generic[A], frozen=True):
    """A question whose answer is an ``A``. ``unknown`` says in a few words what is not known where there is none."""

    unknown: ClassVar[str] = "what the decision rests on could not be looked up"

    @property
    def unanswered(self) -> "Unknown":
        """What to throw into the rule that asked where there is no answer."""
        return Unknown(self.unknown)


class Unknown(Exception):
    """A question without an answer: refused, failed, or too late. Whoever meets it denies. ``what`` is for people."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class TooMany(Unknown):
    """A question that is not asked, since it is about too much, and stays so. ``advice`` says what to do instead."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


Asking = Generator[Lookup[Any], Any, A]
"""A computation that asks questions and gives an ``A``."""


def ask(lookup: Lookup[A]) -> Asking[A]:
    """The answer to one question, with its type. Raises Unknown."""
    answer: A = yield lookup
    return answer


Answer = Callable[[Lookup[Any]], Any]
"""Gives the answer to a look-up, or raises Unknown."""


def drive(asking: Asking[A], answer: Answer) -> A:
    """The result of a computation that is run to its end."""
    try:
        return resume(asking, next(asking), answer)
    except StopIteration as done:
        value: A = done.value
        return value


def resume(asking: Asking[A], lookup: Lookup[Any], answer: Answer) -> A:
    """The result of a computation that waits for the answer to a look-up, run to its end."""
    try:
        while True:
            try:
                given = answer(lookup)
            except Unknown as unknown:
                lookup = asking.throw(unknown)
            else:
                lookup = asking.send(given)
    except StopIteration as done:
        value: A = done.value
        return value


class ObjectRef(NamedTuple):
    """One object to read. ``namespace`` is empty for cluster-scoped ones."""

    resource: ResolvedResource
    namespace: str
    name: str


class ReadObjects(Lookup[Mapping[ObjectRef, Metadata]], frozen=True):
    """What these objects' metadata is. What is not there is left out of the answer. ``missing``: see ``unknown``."""

    refs: tuple[ObjectRef, ...]
    missing: str = "the object's approvals could not be looked up"

    @property
    def unanswered(self) -> Unknown:
        """What to throw where there is no answer: the look-up's own words."""
        return Unknown(self.missing)


class ReadWhole(Lookup[Mapping[str, Any] | None], frozen=True):
    """An object as the API server gives it, read as ``changes.differences.exact`` does; None where it is not there."""

    ref: ObjectRef
    missing: str

    @property
    def unanswered(self) -> Unknown:
        """What to throw where there is no answer: the look-up's own words."""
        return Unknown(self.missing)


class HeldResource(NamedTuple):
    """Objects of one resource in a namespace. ``whole``: all of them are wanted, not merely whether there is one."""

    resource: ResolvedResource
    whole: bool


class NamespaceContents(Lookup[Contents], frozen=True):
    """Which objects of these resources a namespace holds."""

    unknown: ClassVar[str] = "what the namespace holds could not be looked up"
    namespace: str
    held: tuple[HeldResource, ...]


class Dependents(Lookup[Sequence[Dependent]], frozen=True):
    """What the garbage collector would delete along with the owners of these keys, without ``target`` itself."""

    unknown: ClassVar[str] = "what it owns is not known yet"
    keys: frozenset[str]
    target: Target


class Owned(Dependents, frozen=True):
    """The same, asked about what a request may do to its object beside what it says."""


class NamingOwners(Dependents, frozen=True):
    """The same, of owners that nobody could look for. It may take some seconds: one kind is defined after another."""

    unknown: ClassVar[str] = "what names an owner of the kind is not known yet"


class Placed(NamedTuple):
    """An object of a known kind in a namespace."""

    namespace: str
    name: str
    uid: str


class PodsOn(Lookup[Sequence[Placed]], frozen=True):
    """The pods on a node. ``daemons``: of those, the ones that a DaemonSet controls; ``namespace``: those in one."""

    unknown: ClassVar[str] = "which pods run on the node could not be looked up"
    node: str
    daemons: bool = False
    namespace: str = ""


class Uncontrolled(Lookup[Sequence[Placed]], frozen=True):
    """The objects of a kind in a namespace that have these labels, and no controller. ``selector``: as of a list."""

    unknown: ClassVar[str] = "what it would take for its own could not be looked up"
    kind: ResolvedResource
    namespace: str
    selector: str


class Controlled(NamedTuple):
    """An object of a known kind, and what controls it."""

    placed: Placed
    controller: Owner


class ControlledIn(Lookup[Sequence[Controlled]], frozen=True):
    """The objects of a kind in a namespace or, without one, anywhere, that have a controller; their metadata alone.

    ``by``: those alone that the object of this uid controls.
    """

    unknown: ClassVar[str] = "what controls what is there could not be looked up"
    kind: ResolvedResource
    namespace: str
    by: str = ""


class Selecting(Lookup[Sequence[Target]], frozen=True):
    """The objects of these kinds in a namespace whose selectors fit what has these labels.

    ``but``: and do not fit what has those. ``made_by``: they are labels of a template, of such a workload.
    """

    unknown: ClassVar[str] = "what would take it for its own could not be looked up"
    kinds: tuple[ResolvedResource, ...]
    namespace: str
    labels: tuple[tuple[str, str], ...]
    but: tuple[tuple[str, str], ...] | None = None
    made_by: GroupResource | None = None


class Adopting(Lookup[Sequence[Target]], frozen=True):
    """The workloads that would take for their own what an object of this uid controls, if that let go of it.

    ``takers``: kinds of what it controls, each with those that take such. ``namespace``: empty for all. ``labels``: of
    what it may control besides by the time that it lets go, by whatever name; None where that is not told.
    """

    unknown: ClassVar[str] = "what would take what it leaves behind could not be looked up"
    namespace: str
    uid: str
    takers: tuple[tuple[ResolvedResource, tuple[ResolvedResource, ...]], ...]
    labels: tuple[tuple[str, str], ...] | None


class ReplicaSet(NamedTuple):
    """A ReplicaSet. ``controller``: what controls it, by its reference, if anything does; ``pods``: their ``spec``.

    That is JSON. ``ending``: it is being deleted.
    """

    controller: Owner | None
    size: int
    pods: Raw
    ending: bool = False

    def is_of(self, uid: str) -> bool:
        """Whether an object controls it, by whichever name: controllers go by the uid."""
        return self.controller is not None and self.controller.uid == uid


class ReplicaSets(Lookup[Sequence[ReplicaSet]], frozen=True):
    """The ReplicaSets in a namespace that have these labels, whoever controls them. ``selector``: as of a list."""

    unknown: ClassVar[str] = "which ReplicaSets the Deployment would have could not be looked up"
    namespace: str
    selector: str


class Selected(Lookup[Sequence[Target]], frozen=True):
    """The workloads of these kinds in a namespace whose pods' labels a selector may fit: see ``selectors``."""

    unknown: ClassVar[str] = "whose pods it selects could not be looked up"
    kinds: tuple[ResolvedResource, ...]
    namespace: str
    selector: Selector


class Sharing(Lookup[Sequence[Target]], frozen=True):
    """The workloads of these kinds in a namespace that select a pod which some selector fits as well.

    One that is there, one of these labels, or one that they make themselves: see ``selectors``.
    """

    unknown: ClassVar[str] = "whose pods it selects could not be looked up"
    kinds: tuple[ResolvedResource, ...]
    namespace: str
    selector: Selector
    labels: tuple[tuple[str, str], ...]


class Scaled(NamedTuple):
    """What an autoscaler names as its target: an API group, a kind and a name."""

    group: str
    kind: str
    name: str


class ScaledBy(Lookup[Sequence[Target]], frozen=True):
    """The HorizontalPodAutoscalers in a namespace of which one of these is the target, and what controls them."""

    unknown: ClassVar[str] = "what else scales it could not be looked up"
    namespace: str
    scaled: tuple[Scaled, ...]


class OfClass(Lookup[Sequence[Placed]], frozen=True):
    """The objects of a kind, in all namespaces, whose ``spec.ingressClassName`` is this."""

    unknown: ClassVar[str] = "which Ingresses are of the class could not be looked up"
    kind: ResolvedResource
    name: str


class Called(Lookup[Sequence[Placed]], frozen=True):
    """The objects of a kind, in all namespaces, that have one of these names. A kind that is not served has none."""

    unknown: ClassVar[str] = "what the object names could not be looked up"
    kind: ResolvedResource
    names: tuple[str, ...]


class Naming(NamedTuple):
    """What an object in a namespace names. ``namespace`` is empty for one in none."""

    namespace: str
    found: Found


class Namings(Lookup[Sequence[Naming]], frozen=True):
    """What custom resources name, of those that name anything: all of a kind, or all in a namespace.

    Each time once. ``kind``: None for every one of which it matters. ``namespace``: empty for all.
    """

    unknown: ClassVar[str] = "what the objects name that go with it could not be looked up"
    kind: ResolvedResource | None
    namespace: str


class Hosting(Lookup[Sequence[Placed]], frozen=True):
    """The Ingresses, in all namespaces, that have one of these hosts: see ``indirect.hosts``."""

    unknown: ClassVar[str] = "which Ingresses have the same host could not be looked up"
    kind: ResolvedResource
    hosts: tuple[str, ...]


class Overlapping(Lookup[Sequence[Placed]], frozen=True):
    """The objects of a kind in a namespace whose selectors may fit something that this one fits, too.

    Without requirements it fits all.
    """

    unknown: ClassVar[str] = "what else selects the same could not be looked up"
    kind: ResolvedResource
    namespace: str
    selector: Selector


class FreeVolume(NamedTuple):
    """A PersistentVolume that waits for a claim. ``kept_for``: the claim's namespace and name, where it names one.

    ``retained``: it stays when its claim goes.
    """

    name: str
    uid: str
    classes: tuple[str, ...]
    kept_for: tuple[str, str] | None
    retained: bool = False


class FreeVolumes(Lookup[Sequence[FreeVolume]], frozen=True):
    """The PersistentVolumes that wait for a claim: those of these names, or all."""

    unknown: ClassVar[str] = "which volumes it may be bound to could not be looked up"
    names: tuple[str, ...]


class Claim(NamedTuple):
    """A PersistentVolumeClaim. ``volume``: the name of the one that it has, or asks for; empty for any of a class.

    ``attributes``: the VolumeAttributesClass that it names.
    """

    namespace: str
    name: str
    uid: str
    volume: str
    classes: tuple[str, ...]
    attributes: str = ""


class Claims(Lookup[Sequence[Claim]], frozen=True):
    """All PersistentVolumeClaims, of all namespaces."""

    unknown: ClassVar[str] = "which claims may be given the volume could not be looked up"


class Claimant(NamedTuple):
    """A StatefulSet, by what names the claims of its pods: templates of claims, and ephemeral volumes.

    ``rolls``: some of its pods are made by another template than it tells.
    """

    name: str
    uid: str
    templates: frozenset[str]
    volumes: frozenset[str]
    rolls: bool


class Claimants(Lookup[Sequence[Claimant]], frozen=True):
    """The StatefulSets in a namespace, by what names the claims of their pods."""

    unknown: ClassVar[str] = "which claims StatefulSets name could not be looked up"
    namespace: str


class DaemonSet(NamedTuple):
    """A DaemonSet. ``pod`` is the spec of its template."""

    namespace: str
    name: str
    uid: str
    pod: Mapping[str, Any]


class DaemonSets(Lookup[Sequence[DaemonSet]], frozen=True):
    """All DaemonSets, of all namespaces."""

    unknown: ClassVar[str] = "which DaemonSets have pods on the node could not be looked up"


class Holder(NamedTuple):
    """An object of this uid that holds storage, by the name of that."""

    uid: str
    holds: str


class Holders(Lookup[Sequence[Holder]], frozen=True):
    """The objects of a kind in a namespace that hold storage. ``bound``: the field that names that."""

    unknown: ClassVar[str] = "which storage goes with the namespace could not be looked up"
    kind: ResolvedResource
    namespace: str
    bound: tuple[str, str]


class Tokens(Lookup[Sequence[Placed]], frozen=True):
    """The Secrets in a namespace that hold tokens of a ServiceAccount in it."""

    unknown: ClassVar[str] = "which Secrets hold its tokens could not be looked up"
    namespace: str
    account: str


class AliasedBy(Lookup[frozenset[tuple[GroupResource, str]]], frozen=True):
    """That for which objects of these kinds in a namespace stand: its resource and name.

    Kinds that are not served have none.
    """

    unknown: ClassVar[str] = "what stands in for others in it could not be looked up"
    namespace: str
    aliases: tuple[Alias, ...]


class OwnsGuard(Lookup[bool], frozen=True):
    """Whether something of Seconder's own belongs to an owner of these keys.

    ``namespaces`` are those that count as its own, whatever owns the Namespace objects.
    """

    unknown: ClassVar[str] = "what the guard's own objects belong to is not known yet"
    keys: frozenset[str]
    namespaces: frozenset[str]


class OwningResources(Lookup[frozenset[GroupResource]], frozen=True):
    """The resources of what owns protected objects in a namespace; without one, anywhere.

    What owns an object in no namespace counts with each.
    """

    unknown: ClassVar[str] = "what owns protected objects is not known yet"
    namespace: str


class MissingOwners(Lookup[frozenset[Owner]], frozen=True):
    """Which of these owners of an object in this namespace do not exist, or are being deleted."""

    unknown: ClassVar[str] = "whether the owner that it would get exists could not be looked up"
    namespace: str
    owners: tuple[Owner, ...]


class RoleRules(Lookup[Sequence[Rule]], frozen=True):
    """The rules of a role. Of one that is not there they are unknown: they are what somebody makes them later.

    ``none_if_gone``: it has none then, since what is asked is what somebody has by it today.
    """

    unknown: ClassVar[str] = "the role could not be looked up"
    role: RoleRef
    none_if_gone: bool = False


class Account(NamedTuple):
    """A ServiceAccount."""

    namespace: str
    name: str


class RunningPod(Lookup[Raw], frozen=True):
    """The ``spec`` of a pod, as JSON."""

    unknown: ClassVar[str] = "what the pod's ServiceAccount may do could not be looked up"
    namespace: str
    pod: str


class TokenAccounts(NamedTuple):
    """The names of ServiceAccounts whose tokens some Secrets hold, and of those whose tokens they may come to hold."""

    held: frozenset[str] = frozenset()
    awaited: frozenset[str] = frozenset()
    crowded: bool = False
    """Whether more may come to hold theirs than can be told."""


class SecretTokens(Lookup[TokenAccounts], frozen=True):
    """Whose tokens these Secrets in a namespace hold. One that is not there may come to hold anybody's there."""

    unknown: ClassVar[str] = "what the Secrets hold that the pod names could not be looked up"
    namespace: str
    secrets: tuple[str, ...]


class ReadableTokens(Lookup[TokenAccounts], frozen=True):
    """Whose tokens a ServiceAccount may read, out of the Secrets of its own namespace; not its own.

    Where the Secrets cannot be seen, and it may read all of them, they may hold anybody's there.
    """

    unknown: ClassVar[str] = "whose tokens the pod's ServiceAccount may read could not be looked up"
    account: Account


class Right(NamedTuple):
    """A question to the authorizer, in the words of a SubjectAccessReview.

    ``namespace`` is empty for all of them, and so is ``name`` for all objects.
    """

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str = ""

    @property
    def what(self) -> str:
        """``delete deployments.apps`` or ``patch deployments.apps/scale``."""
        below = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {GroupResource(self.group, self.resource)}{below}"


class FirstRight(Lookup[Right | None], frozen=True):
    """The first of these rights that a ServiceAccount has by the API server's authorizer; None where it has none."""

    unknown: ClassVar[str] = "what the pod's ServiceAccount may do could not be looked up"
    account: Account
    rights: tuple[Right, ...]


class ServedElsewhere(Lookup[bool], frozen=True):
    """Whether another server than the API server itself answers for an API group (aggregation)."""

    unknown: ClassVar[str] = "which server answers for the API group could not be looked up"
    group: str


class StorageVersion(Lookup[str], frozen=True):
    """The version in which objects of a custom kind are stored; empty where none of those that are served is it.

    Where no other version is served than the one that is asked about, that one.
    """

    unknown: ClassVar[str] = "in which version it is stored could not be looked up"
    resource: GroupResource
    version: str


class Definitions(Lookup[int], frozen=True):
    """How many CustomResourceDefinitions there are."""

    unknown: ClassVar[str] = "how many kinds are defined could not be looked up"


class ViewIsFresh(Lookup[bool], frozen=True):
    """Whether the view of policies, approvers and agents was proven true recently enough to let anything through."""

    unknown: ClassVar[str] = "the policies at hand may be out of date"
