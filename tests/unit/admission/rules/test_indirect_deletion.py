"""What a controller ends on the word of another object needs the approval of its own deletion."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.support.builders import (
    BY_POD,
    CONFIG_MAPS,
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    WIDGETS,
    approved_for,
    creation,
    deletion,
    document,
    live,
    policy,
    resolved,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, ended

from seconder.admission.dependents import Dependent
from seconder.admission.indirect import aliases, scaling, selectors
from seconder.admission.indirect.aliases import Alias
from seconder.admission.lookups import (
    AliasedBy,
    Claimant,
    Claimants,
    Dependents,
    Lookup,
    NamespaceContents,
    Placed,
    PodsOn,
    ReadObjects,
    ReadWhole,
    Scaled,
    ScaledBy,
    Selecting,
    Tokens,
    Uncontrolled,
)
from seconder.admission.policy_index import Installation
from seconder.admission.request import OwnerReference, Request
from seconder.admission.rule import Rule
from seconder.admission.rules import RULES, indirect_deletion
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import (
    AUTOSCALERS,
    DEFINITIONS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    Action,
    GroupResource,
    Target,
)
from seconder.approvals.impact import Item

CLAIMS = GroupResource("", "persistentvolumeclaims")
VOLUMES = GroupResource("", "persistentvolumes")
SET = target(GroupResource("apps", "statefulsets"), "db", uid="uid-set")
VOLUME = Target(VOLUMES, "PersistentVolume", "", "pv-1", "uid-pv")
NODE = target(NODES, "n1")
SCALED = target(scaling.SCALED_OBJECTS, "so")
SHOP = target(NAMESPACES, "shop", uid="uid-shop")
PRESENT = {CLAIMS: [Item(f"data-db-{number}", f"uid-{number}") for number in range(3)]}
OTHERS = {CLAIMS: [Item(name, "u") for name in ("data-db", "data-db-x", "data-db2-0", "log-db-0", "x-data-db-0")]}


def _claims(*approved: int) -> dict[Any, Any]:
    objects: dict[Any, Any] = {}
    for number in range(3):
        claim = target(CLAIMS, f"data-db-{number}", uid=f"uid-{number}")
        objects |= live(claim, annotations=approved_for(claim) if number in approved else {})
    return objects


def _spec(replicas: int = 3, scaled: str = "Retain", deleted: str = "Retain", start: int = 0) -> dict[str, Any]:
    return {
        "replicas": replicas,
        "ordinals": {"start": start},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": scaled, "whenDeleted": deleted},
    }


def _lost(asked: Request, one: Policy, answers: Answers, rules: Sequence[Rule] = RULES) -> list[str]:
    """The names of what would be lost, in order; a request that is free loses nothing."""
    return sorted(ended(decide(asked, state(one), answers=answers, rules=rules)))


def _sets(old: dict[str, Any], new: dict[str, Any], answers: Answers | None = None) -> list[str]:
    given = answers or Answers(objects=_claims(), holds=PRESENT)
    return _lost(update(SET, old={"spec": old}, new={"spec": new}), policy(CLAIMS), given)


def test_a_retention_that_deletes_claims_is_their_deletion() -> None:
    """Of all of them: who scales or deletes the set afterwards need not know."""
    everything = ["data-db-0", "data-db-1", "data-db-2"]
    assert _sets(_spec(), _spec(scaled="Delete")) == everything
    assert _sets(_spec(), _spec(deleted="Delete")) == everything
    assert _sets(_spec(deleted="Delete"), _spec(deleted="Delete", scaled="Delete")) == everything
    made = creation(SET, new={"spec": _spec(deleted="Delete")})
    assert _lost(made, policy(CLAIMS), Answers(objects=_claims(), holds=PRESENT)) == everything
    gone = deletion(SET, stored={"spec": _spec(deleted="Delete")})
    assert _lost(gone, policy(CLAIMS), Answers(objects=_claims(), holds=PRESENT)) == everything


def test_fewer_or_other_ordinals_lose_their_claims_where_the_set_says_so() -> None:
    """By the number of replicas, by the first ordinal, by the scale subresource."""
    assert _sets(_spec(scaled="Delete"), _spec(1, "Delete")) == ["data-db-1", "data-db-2"]
    assert _sets(_spec(scaled="Delete"), _spec(scaled="Delete", start=1)) == ["data-db-0"]
    assert _sets(_spec(scaled="Delete"), _spec(0, "Delete")) == ["data-db-0", "data-db-1", "data-db-2"]
    stored = Answers(objects=_claims(), holds=PRESENT, whole=document(SET, spec=_spec(scaled="Delete")))
    assert _lost(scale(3, 2, object_=SET), policy(CLAIMS), stored) == ["data-db-2"]


def _with(document_: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return document_ | {"spec": document_["spec"] | spec}


def test_an_autoscaler_of_a_set_that_deletes_claims_loses_those_beyond_its_least() -> None:
    """Whoever waits long enough has them gone; under another retention, none."""

    def scaler(least: int | None, kind: str = "StatefulSet") -> dict[str, Any]:
        named = {"apiVersion": "apps/v1", "kind": kind, "name": "db"}
        return {"spec": {"minReplicas": least, "maxReplicas": 3, "scaleTargetRef": named}}

    object_ = target(AUTOSCALERS, "h")
    stored = Answers(objects=_claims(), holds=PRESENT, whole=document(SET, spec=_spec(scaled="Delete")))
    one = policy(CLAIMS)
    assert _lost(creation(object_, new=scaler(2)), one, stored) == ["data-db-2"]
    assert _lost(creation(object_, new=scaler(None)), one, stored) == ["data-db-1", "data-db-2"]
    assert _lost(update(object_, old=scaler(3), new=scaler(1)), one, stored) == ["data-db-1", "data-db-2"]
    assert _lost(update(object_, old=scaler(1), new=scaler(1)), one, stored) == []
    lower = update(object_, old=scaler(1), new=_with(scaler(1), maxReplicas=1))
    assert _lost(lower, one, stored) == ["data-db-1", "data-db-2"]
    named = {"minReplicaCount": 2, "scaleTargetRef": {"kind": "StatefulSet", "name": "db"}}
    assert _lost(creation(SCALED, new={"spec": named}), one, stored) == ["data-db-2"]
    assert _lost(creation(object_, new=scaler(1, "Deployment")), one, stored) == []
    kept = Answers(objects=_claims(), holds=PRESENT, whole=document(SET, spec=_spec()))
    assert _lost(creation(object_, new=scaler(1)), one, kept) == []


_SELECTED = {"labels": {"app": "db"}}


def _selecting(**spec: Any) -> dict[str, Any]:
    return document(SET, spec=_spec(**spec) | {"selector": {"matchLabels": _SELECTED["labels"]}})


def _pod(number: str, **metadata: Any) -> Request:
    return creation(target(PODS, f"db-{number}"), new={"metadata": _SELECTED | metadata})


@pytest.mark.parametrize("retention", [{"scaled": "Delete"}, {"deleted": "Delete"}])
def test_a_pod_that_a_set_has_too_many_loses_the_claim_of_its_ordinal(retention: dict[str, str]) -> None:
    """Whatever controls it as yet, and with zeros before the number; one within the ordinals is another pod of it."""
    there = Answers(objects=_claims(), holds=PRESENT, whole=_selecting(replicas=2, **retention))
    one = policy(CLAIMS)
    other = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "mine", "uid": "u", "controller": True}
    for asked in (_pod("2"), _pod("002"), _pod("2", ownerReferences=[other])):
        assert _lost(asked, one, there) == ["data-db-2"]
        assert _lost(asked, policy(CLAIMS, namespaces=["elsewhere"]), there) == []
    kept = Answers(objects=_claims(), holds=PRESENT, whole=_selecting(replicas=2))
    for asked, answers in ((_pod("1"), there), (_pod("x"), there), (_pod("2", labels={"app": "x"}), there)):
        assert _lost(asked, one, answers) == []
    assert _lost(_pod("2"), one, kept) == []
    assert _lost(_pod("2"), one, Answers()) == []


def test_a_pod_that_is_there_joins_a_set_by_its_labels_or_when_it_has_other_owners() -> None:
    """What is changed of it besides is free."""
    one = policy(CLAIMS)
    there = Answers(objects=_claims(), holds=PRESENT, whole=_selecting(replicas=2, scaled="Delete"))
    pod = target(PODS, "db-2")
    owned = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "own", "uid": "u"}]}
    for old, new in (({}, _SELECTED), (_SELECTED | owned, _SELECTED), (_SELECTED, _SELECTED | owned)):
        assert _lost(update(pod, old={"metadata": old}, new={"metadata": new}), one, there) == ["data-db-2"]
    free = update(pod, old={"metadata": _SELECTED}, new={"metadata": _SELECTED | {"annotations": {"a": "b"}}})
    assert _lost(free, one, there) == []


def test_pods_that_are_left_to_a_set_lose_the_claims_beyond_its_ordinals() -> None:
    """Which of them, their names would tell."""
    whole = _selecting(replicas=1, scaled="Delete")
    there = Answers(objects=_claims(), holds=PRESENT, whole=whole, adopting=[SET])
    mine = target(REPLICA_SETS, "mine", uid="uid-mine")
    left = deletion(mine, stored={}, options={"propagationPolicy": "Orphan"})
    assert _lost(left, policy(CLAIMS), there) == ["data-db-1", "data-db-2"]
    assert _lost(deletion(mine, stored={}), policy(CLAIMS), there) == []


def _refused(asked: Request, one: Policy, answers: Answers) -> bool:
    """Whether nobody can approve it, since what it takes is not there."""
    decided = decide(asked, state(one), answers=answers)
    return decided.change is None and "is not there, so that nobody can approve it" in decided.message


def test_claims_that_are_yet_to_come_are_nobodys_to_give_away() -> None:
    """By a retention of a set that has none, and by an autoscaler that takes none yet. A new set says so of its own."""
    none, one = Answers(holds=OTHERS), policy(CLAIMS)
    for guarded in (one, policy(VOLUMES)):
        for new in (_spec(scaled="Delete"), _spec(deleted="Delete"), _spec(0, "Delete", "Delete")):
            assert _refused(update(SET, old={"spec": _spec()}, new={"spec": new}), guarded, none)
            assert _lost(creation(SET, new={"spec": new}), guarded, none) == []
    elsewhere = policy(CLAIMS, namespaces=["elsewhere"])
    change = update(SET, old={"spec": _spec()}, new={"spec": _spec(scaled="Delete")})
    assert _lost(change, elsewhere, none) == []
    named = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"}
    spec = {"spec": {"minReplicas": 3, "maxReplicas": 3, "scaleTargetRef": named}}
    made = creation(target(AUTOSCALERS, "h"), new=spec)
    events = {"minReplicaCount": 3, "scaleTargetRef": named, "advanced": {"restoreToOriginalReplicaCount": True}}
    for asked in (made, creation(SCALED, new={"spec": events})):
        deletes = Answers(objects=_claims(), holds=PRESENT, whole=document(SET, spec=_spec(scaled="Delete")))
        assert _refused(asked, one, deletes)
        assert _refused(asked, one, Answers(objects=_claims(), holds=PRESENT))
        assert _lost(asked, elsewhere, deletes) == []
        kept = Answers(objects=_claims(), holds=PRESENT, whole=document(SET, spec=_spec()))
        assert _lost(asked, one, kept) == []
    assert _refused(_pod("7"), one, Answers(holds=PRESENT, whole=_selecting(scaled="Delete")))
    # Whoever deletes it has it act once more, on what is there.
    empty = Answers(whole=document(SET, spec=_spec(0, "Delete")))
    assert _lost(deletion(SCALED, stored={"spec": events}), one, empty) == []
    assert _lost(deletion(SCALED, stored={"spec": events}), one, Answers()) == []


def test_what_keeps_claims_is_free() -> None:
    """More of them, a retention that is taken back, an ordinary change; and claims of others."""
    assert _sets(_spec(scaled="Delete"), _spec(5, "Delete")) == []
    assert _sets(_spec(deleted="Delete", scaled="Delete"), _spec()) == []
    assert _sets(_spec(), _spec(1)) == []
    assert _sets(_spec(), _spec(scaled="Delete", deleted="Delete") | {"volumeClaimTemplates": []}) == []
    stored = Answers(whole=document(SET, spec=_spec()), holds=PRESENT)
    assert _lost(scale(3, 1, object_=SET), policy(CLAIMS), stored) == []


CLAIMANT = Claimant(SET.name, SET.uid, frozenset({"data"}), frozenset({"a-b"}), rolls=False)


def _named_by(asked: Request, one: Policy, set_: Claimant = CLAIMANT) -> list[str]:
    there = target(SET.resource, set_.name, uid=set_.uid)
    answers = Answers(objects=live(there), claimants=[set_, Claimant("other", "u", frozenset(), frozenset(), False)])
    return _lost(asked, one, answers, [indirect_deletion.RULE])


def test_the_name_of_a_claim_that_a_sets_pods_would_have_is_the_sets() -> None:
    """By a template of it, or an ephemeral volume, whatever holds dashes. Other names are free, and nobody asks."""
    one = policy(SET.resource)

    def lost(name: str, named: Policy, set_: Claimant = CLAIMANT) -> list[str]:
        return _named_by(creation(target(CLAIMS, name, uid="")), named, set_)

    for name in ("data-db-0", "data-db-17", "db-3-a-b"):
        assert lost(name, one) == ["db"]
        assert lost(name, policy(DEPLOYMENTS)) == []
    for name in ("data-db", "data-db-01", "log-db-0", "db-3-c", "db-a-b", "a-b-db-3", "x-data-db-0", "data-web-0"):
        assert lost(name, one) == []
    # While it is rolled out, some of its pods have the volumes of another template.
    assert lost("db-3-c", one, CLAIMANT._replace(rolls=True)) == ["db"]
    assert lost("db-3", one, CLAIMANT._replace(rolls=True)) == []


def _set_of(*templates: str, volumes: Sequence[str] = ()) -> dict[str, Any]:
    pod = {"volumes": [{"name": name, "ephemeral": {"volumeClaimTemplate": {}}} for name in volumes]}
    claims = [{"metadata": {"name": name}} for name in templates]
    return {"spec": {"volumeClaimTemplates": claims, "template": {"spec": pod}}}


@pytest.mark.parametrize(
    ("name", "new", "theirs"),
    [
        ("db", _set_of("data-my"), Claimant("my-db", "u", frozenset({"data"}), frozenset(), False)),
        ("my-db", _set_of("data"), Claimant("db", "u", frozenset({"data-my"}), frozenset(), False)),
        ("data", _set_of(volumes=["db-1"]), Claimant("db", "u", frozenset({"data-0"}), frozenset(), False)),
        ("data-0", _set_of(volumes=["x"]), Claimant("data", "u", frozenset(), frozenset({"7-x"}), False)),
        ("0-x", _set_of("db"), Claimant("db", "u", frozenset(), frozenset({"x-1"}), False)),
        ("0-x", _set_of("db"), Claimant("db", "u", frozenset(), frozenset(), True)),
        ("db-0", _set_of(volumes=["x"]), Claimant("db", "u", frozenset(), frozenset(), True)),
    ],
)
def test_a_set_whose_claims_would_have_the_names_of_a_protected_ones_counts_as_its_end(
    name: str, new: dict[str, Any], theirs: Claimant
) -> None:
    """However the two names are made; one that has them already, or whose names meet none, is free."""
    one, mine = policy(SET.resource), target(SET.resource, name)
    assert _named_by(creation(mine, new=new), one, theirs) == [theirs.name]
    assert _named_by(update(mine, old=new, new=new), one, theirs) == []
    assert _named_by(update(mine, old={"spec": {}}, new=new), one, theirs) == [theirs.name]
    assert _named_by(creation(mine, new=new), policy(DEPLOYMENTS), theirs) == []
    assert _named_by(creation(mine, new=new), one, theirs._replace(name="elsewhere")) == []
    assert _named_by(creation(mine, PERSON, new=new), one, theirs) == []


def test_a_pod_whose_claim_would_have_the_name_of_a_protected_sets_counts_as_its_end() -> None:
    """By an ephemeral volume. Without one nobody asks."""
    one, pod = policy(SET.resource), target(PODS, "data-db", uid="")

    def volume(name: str) -> dict[str, Any]:
        return {"spec": {"volumes": [{"name": name, "ephemeral": {"volumeClaimTemplate": {}}}]}}

    assert _named_by(creation(pod, new=volume("5")), one) == ["db"]
    assert _named_by(creation(pod, new=volume("05")), one) == []
    unknown = Answers(unknown=[Claimants])
    assert decide(creation(pod, new=volume("5")), state(one), answers=unknown).reason is Reason.INTERNAL_ERROR
    plain = creation(pod, new={"spec": {"volumes": [{"name": "5", "emptyDir": {}}]}})
    assert decide(plain, state(one), answers=unknown).allowed
    assert decide(creation(target(SET.resource, "db"), new={"spec": {}}), state(one), answers=unknown).allowed


def test_nobody_asks_for_claims_that_no_policy_protects() -> None:
    """Scaling is everyday work."""
    answers = Answers(holds=PRESENT)
    assert _lost(scale(3, 1, object_=SET), policy(DEPLOYMENTS), answers) == []
    assert answers.questions(NamespaceContents) == []


def test_the_approvals_of_the_claims_let_it_through() -> None:
    """Each has its own; without one of them, no."""
    objects = _claims(1, 2)
    asked = update(SET, old={"spec": _spec(scaled="Delete")}, new={"spec": _spec(1, "Delete")})
    assert decide(asked, state(policy(CLAIMS)), answers=Answers(objects=objects, holds=PRESENT)).allowed
    more = update(SET, old={"spec": _spec(scaled="Delete")}, new={"spec": _spec(0, "Delete")})
    assert not decide(more, state(policy(CLAIMS)), answers=Answers(objects=objects, holds=PRESENT)).allowed


def _volume(claim: str = "data-db-0", uid: str = "uid-0", policy_: str = "Retain") -> dict[str, Any]:
    bound = {"namespace": "payments", "name": claim, "uid": uid}
    return {"spec": {"claimRef": bound, "persistentVolumeReclaimPolicy": policy_}}


def test_a_volume_goes_with_the_approval_of_its_claim() -> None:
    """By its deletion, another claim, reclaim policy or status; a claim that was made anew has another volume."""
    answers = Answers(objects=_claims())
    one = policy(CLAIMS)
    assert _lost(deletion(VOLUME, stored=_volume()), one, answers) == ["data-db-0"]
    assert _lost(update(VOLUME, old=_volume(), new=_volume("other")), one, answers) == ["data-db-0"]
    assert _lost(update(VOLUME, old=_volume(), new={"spec": {}}), one, answers) == ["data-db-0"]
    assert _lost(update(VOLUME, old=_volume(), new=_volume(policy_="Delete")), one, answers) == ["data-db-0"]
    for old, new in (({"phase": "Bound"}, {"phase": "Released"}), ({}, {"reason": "x"})):
        told = update(VOLUME, old=_volume() | {"status": old}, new=_volume() | {"status": new}, subResource="status")
        assert _lost(told, one, answers) == ["data-db-0"]
    assert _lost(update(VOLUME, old=_volume(), new=_volume()), one, answers) == []
    assert _lost(update(VOLUME, old=_volume(), new=_volume() | {"labels": {"a": "b"}}), one, answers) == []
    assert _lost(update(VOLUME, old=_volume(policy_="Delete"), new=_volume()), one, answers) == []
    assert _lost(deletion(VOLUME, stored=_volume(uid="before")), one, answers) == []
    assert _lost(deletion(VOLUME, stored={"spec": {}}), one, answers) == []
    assert _lost(deletion(VOLUME, stored=_volume()), policy(DEPLOYMENTS), answers) == []
    elsewhere = {"spec": {"claimRef": {"namespace": "mine", "name": "mine"}}}
    later = update(VOLUME, old=elsewhere, new=_volume("data-db-3"))
    here = state(policy(CLAIMS, namespaces=["payments"]))
    assert "that is not there yet" in decide(later, here, answers=answers).message


def test_a_claim_of_a_name_is_told_anew_when_its_uid_is() -> None:
    """Its controller goes by both: what named a former claim, or no uid, then has the one that is there."""
    answers, one = Answers(objects=_claims()), policy(CLAIMS)
    for uid in ("", "uid-0"):
        named = update(VOLUME, old=_volume(uid="before"), new=_volume(uid=uid))
        assert _lost(named, one, answers) == ["data-db-0"]
        assert decide(named, state(policy(DEPLOYMENTS)), answers=answers).allowed
        by_person = update(VOLUME, PERSON, old=_volume(uid="before"), new=_volume(uid=uid))
        assert decide(by_person, state(one), answers=answers).allowed
        taken = update(CONTENT, old=_content(uid="before"), new=_content(uid=uid and SNAPSHOT.uid))
        assert _lost(taken, policy(SNAPSHOT.resource), Answers(objects=live(SNAPSHOT))) == ["s"]
    assert _lost(update(VOLUME, old=_volume(uid="before"), new=_volume(uid="former")), one, answers) == []
    assert _lost(update(VOLUME, old=_volume(uid=""), new=_volume()), one, answers) == ["data-db-0"]
    told = update(VOLUME, old=_volume("mine", uid=""), new=_volume("mine", uid="u"))
    assert decide(told, state(policy(CLAIMS, namespaces=["elsewhere"])), answers=answers).allowed


def test_whatever_else_is_not_free_of_a_volume_counts_as_well() -> None:
    """Its own controller, and drivers, act by annotations and fields of it that nobody has thought of."""
    one, answers = policy(CLAIMS), Answers(objects=_claims())
    for note in ("pv.kubernetes.io/provisioned-by", "volume.kubernetes.io/provisioner-deletion-secret-name"):
        annotated = update(VOLUME, old=_volume(), new=_volume() | {"annotations": {note: "x"}})
        assert _lost(annotated, one, answers) == ["data-db-0"]
    for field in ("nodeAffinity", "volumeAttributesClassName", "capacity"):
        assert _lost(update(VOLUME, old=_volume(), new=_with(_volume(), **{field: "x"})), one, answers) == ["data-db-0"]
    kept = update(VOLUME, old=_volume(policy_="Delete"), new=_with(_volume(), capacity="x"))
    assert _lost(kept, one, answers) == ["data-db-0"]


def _made(kind: Target, policy_: str, **spec: Any) -> Request:
    field = "persistentVolumeReclaimPolicy" if kind == VOLUME else "deletionPolicy"
    return creation(kind, new={"spec": spec | {field: policy_}})


CONTENT = Target(
    GroupResource("snapshot.storage.k8s.io", "volumesnapshotcontents"), "VolumeSnapshotContent", "", "c", "u"
)
SNAPSHOT = target(GroupResource("snapshot.storage.k8s.io", "volumesnapshots"), "s", uid="uid-s")


@pytest.mark.parametrize("named", [CLAIMS, VOLUMES])
def test_nobody_has_storage_deleted_by_a_second_volume_of_it(named: GroupResource) -> None:
    """What else stands for it is not known, and so one whose storage goes with it is a person's to make."""
    one = state(policy(named))
    for policy_ in ("Delete", "Recycle"):
        refused = decide(_made(VOLUME, policy_, nfs={"server": "s", "path": "/srv/data"}), one)
        assert (refused.allowed, refused.reason) == (False, Reason.APPROVAL_MISSING)
        assert "what else stands for its storage cannot be told" in refused.message
    annotated = {"annotations": {"pv.kubernetes.io/provisioned-by": "driver.example.com"}}
    told = creation(VOLUME, new=annotated | {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
    assert not decide(told, one).allowed
    mine = _volume("mine", "uid-mine")
    assert not decide(update(VOLUME, old=mine, new=_volume("mine", "uid-mine", "Delete")), one).allowed
    assert decide(_made(VOLUME, "Retain"), one).allowed
    assert decide(deletion(VOLUME, stored=_volume("mine", "uid-mine", "Delete")), state(policy(CLAIMS))).allowed
    assert decide(_made(VOLUME, "Delete"), state(policy(DEPLOYMENTS))).allowed
    person = creation(VOLUME, PERSON, new={"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
    assert decide(person, one).allowed


def _content(policy_: str = "Retain", uid: str = SNAPSHOT.uid, handle: str = "") -> dict[str, Any]:
    bound = {"namespace": SNAPSHOT.namespace, "name": SNAPSHOT.name, "uid": uid}
    spec = {"volumeSnapshotRef": bound, "deletionPolicy": policy_, "source": {"snapshotHandle": "h"}}
    return {"spec": spec} | ({"status": {"snapshotHandle": handle}} if handle else {})


def test_the_content_of_a_snapshot_is_to_it_what_a_volume_is_to_its_claim() -> None:
    """In both directions; and a second one of the same snapshot has it deleted as well."""
    one, answers = policy(SNAPSHOT.resource), Answers(objects=live(SNAPSHOT))
    assert _lost(deletion(CONTENT, stored=_content()), one, answers) == ["s"]
    assert _lost(deletion(CONTENT, stored=_content(uid="before")), one, answers) == []
    assert _lost(update(CONTENT, old=_content(), new=_content("Delete")), one, answers) == ["s"]
    assert _lost(update(CONTENT, old=_content("Delete"), new=_content()), one, answers) == []
    assert not decide(_made(CONTENT, "Delete", source={"snapshotHandle": "h"}), state(one)).allowed
    assert decide(_made(CONTENT, "Retain", source={"snapshotHandle": "h"}), state(one)).allowed
    assert decide(_made(CONTENT, "Delete", source={"volumeHandle": "v"}), state(one)).allowed
    mine = _content("Delete", "mine")
    assert not decide(update(CONTENT, old=mine, new=_content("Delete", "mine", "theirs")), state(one)).allowed
    bound = {"status": {"boundVolumeSnapshotContentName": CONTENT.name}}
    both = policy(CONTENT.resource)
    assert _lost(deletion(SNAPSHOT, stored=bound), both, _holding(CONTENT, _content("Delete"))) == ["c"]
    assert _lost(deletion(SNAPSHOT, stored=bound), both, _holding(CONTENT, _content())) == []
    taken = {"spec": {"deletionPolicy": "Delete", "source": {"volumeHandle": "v"}}}
    assert _lost(deletion(SNAPSHOT, stored=bound), both, _holding(CONTENT, taken)) == []


def test_a_content_that_is_kept_for_a_snapshot_is_taken_by_the_one_of_that_name() -> None:
    """Which names it; it goes with that, or stays as taken. What has had a snapshot takes no other."""
    one = policy(CONTENT.resource)

    def asks(name: str, kept: dict[str, Any], snapshot: Target = SNAPSHOT, by: Policy = one) -> list[str]:
        made = creation(snapshot, new={"spec": {"source": {"volumeSnapshotContentName": name}}})
        return _lost(made, by, _holding(CONTENT, kept))

    for policy_ in ("Retain", "Delete"):
        assert asks(CONTENT.name, _content(policy_, "")) == ["c"]
        assert asks(CONTENT.name, _content(policy_, "before")) == []
        assert asks(CONTENT.name, _content(policy_, ""), msgspec.structs.replace(SNAPSHOT, name="other")) == []
        assert asks(CONTENT.name, _content(policy_, ""), by=policy(CLAIMS)) == []
    taken = creation(SNAPSHOT, new={"spec": {"source": {"persistentVolumeClaimName": "data"}}})
    assert _lost(taken, one, _holding(CONTENT, _content(uid=""))) == []
    assert _lost(taken, one, Answers(unknown=[ReadWhole])) == []


def _holding(kind: Target, held: dict[str, Any]) -> Answers:
    return Answers(objects=live(kind), whole=document(kind, **held))


def test_a_volume_is_detached_with_the_approval_of_it_and_its_claim() -> None:
    """By the deletion of its VolumeAttachment, or another state of it."""
    attachment = Target(GroupResource("storage.k8s.io", "volumeattachments"), "VolumeAttachment", "", "a", "uid-a")
    held = {"spec": {"source": {"persistentVolumeName": VOLUME.name}}, "status": {"attached": True}}
    there = Answers(objects=_claims() | live(VOLUME), whole=document(VOLUME, **_volume()))
    assert _lost(deletion(attachment, stored=held), policy(CLAIMS), there) == ["data-db-0"]
    assert _lost(deletion(attachment, stored=held), policy(VOLUMES), there) == [VOLUME.name]
    told = update(attachment, old=held, new=held | {"status": {"attached": False}}, subResource="status")
    assert _lost(told, policy(CLAIMS), there) == ["data-db-0"]
    assert _lost(update(attachment, old=held, new=held | {"labels": {"a": "b"}}), policy(CLAIMS), there) == []
    assert _lost(deletion(attachment, stored=held), policy(DEPLOYMENTS), there) == []


def test_an_attachment_of_what_may_be_the_storage_of_a_protected_claim_is_no_agents() -> None:
    """By a specification of its own, or by another volume, also one that is gone: what it stands for nobody tells."""
    attachment = Target(GroupResource("storage.k8s.io", "volumeattachments"), "VolumeAttachment", "", "a", "uid-a")
    held = {"spec": {"source": {"persistentVolumeName": VOLUME.name}}}
    other = Answers(objects=_claims() | live(VOLUME), whole=document(VOLUME, **_volume("mine")))
    one = policy(CLAIMS, namespaces=["elsewhere"])
    inline = {"spec": {"source": {"inlineVolumeSpec": {"csi": {"driver": "d", "volumeHandle": "v"}}}}}
    for spec, answers in ((inline, other), ({"spec": {}}, other), (held, Answers()), (held, other)):
        for asked in (
            creation(attachment, new=spec),
            deletion(attachment, stored=spec),
            update(attachment, old=spec, new=spec | {"status": {"attached": False}}, subResource="status"),
        ):
            decided = decide(asked, state(one), answers=answers)
            assert (decided.allowed, decided.change) == (False, None)
            assert "what stands for the storage of a protected claim" in decided.message
        assert decide(deletion(attachment, PERSON, stored=spec), state(one), answers=answers).allowed
        assert decide(update(attachment, old=spec, new=spec | {"labels": {"a": "b"}}), state(one)).allowed
        assert decide(deletion(attachment, stored=spec), state(policy(DEPLOYMENTS)), answers=answers).allowed


POD = target(PODS, "broker", uid="uid-pod")
RUNNING = Answers(objects=live(POD), pods=[Placed("payments", "broker", "uid-pod")])


OUT_OF_SERVICE = {"key": "node.kubernetes.io/out-of-service", "effect": "NoSchedule"}


def _node(taint: str = "", ready: str = "True") -> dict[str, Any]:
    taints = [{"key": "k", "effect": taint}] if taint else []
    return {"spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


@pytest.mark.parametrize(
    "asked",
    [
        deletion(NODE),
        update(NODE, old=_node(), new=_node("NoExecute")),
        update(NODE, old=_node(), new=_node(ready="Unknown"), subResource="status"),
        update(NODE, old=_node(), new=_node() | {"status": {"conditions": []}}, subResource="status"),
        update(NODE, old=_node(), new=_with(_node(), providerID="cloud://gone")),
        update(NODE, old=_node(), new=_with(_node(), taints=[OUT_OF_SERVICE])),
        update(NODE, old=_node(), new=_node() | {"annotations": {"karpenter.sh/do-not-disrupt": "false"}}),
    ],
)
def test_a_node_goes_with_the_approval_of_the_pods_on_it(asked: Request) -> None:
    """Where a policy names pods."""
    assert _lost(asked, policy(PODS), RUNNING) == ["broker"]
    assert _lost(asked, policy(DEPLOYMENTS), RUNNING) == []


def test_a_node_of_other_labels_loses_the_pods_of_daemon_sets() -> None:
    """Those that no longer select it."""
    labelled = update(NODE, old=_node(), new={"labels": {"a": "b"}} | _node())
    answers = Answers(objects=RUNNING.objects, pods=RUNNING.pods)
    assert _lost(labelled, policy(PODS), answers) == ["broker"]
    assert answers.questions(PodsOn) == [PodsOn(NODE.name, daemons=True)]


@pytest.mark.parametrize(
    "new",
    [_node("NoSchedule"), _node(), _with(_node(), unschedulable=True), _node() | {"annotations": {"a": "b"}}],
)
def test_a_node_that_keeps_its_pods_is_changed_freely(new: dict[str, Any]) -> None:
    """No look-up either."""
    answers = Answers(pods=RUNNING.pods)
    assert _lost(update(NODE, old=_node(), new=new), policy(PODS), answers) == []
    assert answers.questions(PodsOn) == []


@pytest.mark.parametrize("plural", ["devicetaintrules", "resourceslices"])
def test_a_device_that_evicts_whom_nobody_knows_is_refused(plural: str) -> None:
    """Where pods are protected: no look-up tells which use it."""
    rule = Target(GroupResource("resource.k8s.io", plural), "K", "", "r", "uid-r")
    evicts = {"spec": {"taint": {"key": "k", "effect": "NoExecute"}}}
    keeps = {"spec": {"taint": {"key": "k", "effect": "NoSchedule"}}}
    assert decide(creation(rule, new=evicts), state(policy(PODS))).reason is Reason.INTERNAL_ERROR
    assert decide(update(rule, old=keeps, new=evicts), state(policy(PODS))).reason is Reason.INTERNAL_ERROR
    assert decide(creation(rule, new=keeps), state(policy(PODS))).allowed
    assert decide(creation(rule, new=evicts), state(policy(DEPLOYMENTS))).allowed
    assert decide(deletion(rule, stored=evicts), state(policy(PODS))).allowed
    assert decide(creation(rule, PERSON, new=evicts), state(policy(PODS))).allowed


def _definition(served: bool = True, stored: str = "v1", **metadata: Any) -> dict[str, Any]:
    spec = {"versions": [{"name": "v1", "served": served, "storage": True}]}
    return {"spec": spec, "status": {"storedVersions": [stored], "conditions": []}, **metadata}


TERMINATING = _definition()
TERMINATING["status"]["conditions"] = [{"type": "Terminating", "status": "True"}]
"""The API server makes no object of such a kind."""

GEARS = Target(DEFINITIONS, "CustomResourceDefinition", "", f"widgets.{WIDGETS.group}", "uid-d")


@pytest.mark.parametrize(
    "new",
    [
        _definition(served=False),
        _definition(stored="v2"),
        TERMINATING,
        {},
    ],
)
def test_a_change_of_a_protected_kinds_definition_counts_as_its_deletion(new: dict[str, Any]) -> None:
    """Its objects may be gone by it. Nothing is read: the review holds the definition."""
    asked = update(GEARS, old=_definition(), new=new)
    answers = Answers()
    refused = decide(asked, state(policy(WIDGETS)), answers=answers)
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    assert answers.read == []
    held = {"annotations": approved_for(GEARS)}
    approved = update(GEARS, old=_definition() | held, new=new | held)
    assert decide(approved, state(policy(WIDGETS))).reason is Reason.APPROVED
    assert decide(asked, state(policy(DEPLOYMENTS))).allowed
    assert decide(update(GEARS, PERSON, old=_definition(), new=new), state(policy(WIDGETS))).allowed


def test_where_a_policy_names_definitions_their_change_is_approved_as_one() -> None:
    """And is no deletion besides."""
    both = state(policy(WIDGETS, DEFINITIONS))
    asked = update(GEARS, old=_definition(), new=_definition(served=False))
    assert decide(asked, both).action is Action.CHANGE


def test_a_definition_is_described_freely() -> None:
    """By labels and the like. What its own controller tells of it is not for agents, nor are marks for some program."""
    marked = update(GEARS, old=_definition(), new=_definition() | MARKED)
    assert decide(marked, state(policy(WIDGETS))).action is Action.DELETE
    new = _definition(labels={"a": "b"})
    assert decide(update(GEARS, old=_definition(), new=new), state(policy(WIDGETS))).allowed


def test_a_node_full_of_protected_pods_is_refused_as_a_whole() -> None:
    """Nobody signs for so many at once."""
    many = [Placed("payments", f"p{number}", f"u{number}") for number in range(20)]
    decided = decide(deletion(NODE), state(policy(PODS)), answers=Answers(pods=many))
    assert (decided.allowed, decided.reason) == (False, Reason.APPROVAL_MISSING)
    assert "too many to be approved together" in decided.message


NAMED = policy(NAMESPACES)
THERE = Answers(objects=live(SHOP))


def _standing(alias: Alias, *names: str) -> tuple[Target, dict[str, Any]]:
    """An object that stands for namespaces."""
    inside: Any = names[0] if alias.path != "status.namespaces" else list(names)
    *above, last = alias.path.split(".")
    if alias.path == "metadata.name":
        return Target(alias.resource, "K", "above", names[0], "uid-alias"), {}
    held: Any = {last: inside}
    for step in reversed(above):
        held = {step: held}
    return Target(alias.resource, "K", "above", "alias", "uid-alias"), held


OF_NAMESPACES = tuple(alias for alias in aliases.BUILT_IN if alias.of == NAMESPACES)


@pytest.mark.parametrize("alias", OF_NAMESPACES, ids=lambda alias: str(alias.resource))
def test_whoever_deletes_what_stands_for_a_namespace_deletes_the_namespace(alias: Alias) -> None:
    """With the approval of the namespace's own deletion."""
    object_, held = _standing(alias, "shop")
    refused = decide(deletion(object_, stored=held), state(NAMED), answers=THERE)
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    assert [part.effect.target for part in refused.parts] == [SHOP]
    unbound = policy(NAMESPACES, requirement=NAMED.requirement.__class__(bind_impact=False))
    held_by = Answers(objects=live(SHOP, annotations=approved_for(SHOP)))
    assert decide(deletion(object_, stored=held), state(unbound), answers=held_by).reason is Reason.APPROVED
    assert decide(deletion(object_, PERSON, stored=held), state(NAMED), answers=THERE).allowed
    assert decide(deletion(object_, stored=held), state(policy(CONFIG_MAPS, namespaces=frozenset({"x"})))).allowed


@pytest.mark.parametrize("alias", OF_NAMESPACES, ids=lambda alias: str(alias.resource))
def test_what_ends_as_a_deletion_does_counts_as_one(alias: Alias) -> None:
    """An owner, and the last finalizers."""
    object_, held = _standing(alias, "shop")
    owned = held | {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}]}
    ending = held | {"finalizers": ["a/b"], "deletionTimestamp": "2026-11-22T04:00:00Z"}
    let_go = {name: value for name, value in ending.items() if name != "finalizers"}
    for old, new in ((held, owned), (ending, let_go)):
        assert _lost(update(object_, old=old, new=new), NAMED, THERE) == ["shop"]
    assert _lost(update(object_, old=held, new=held | {"labels": {"a": "b"}}), NAMED, THERE) == []


def test_an_object_that_stands_for_another_namespace_lets_the_first_one_go() -> None:
    """By its status, too."""
    tenants, charts = (alias for alias in OF_NAMESPACES if not alias.path.startswith("metadata"))
    object_, held = _standing(tenants, "shop", "till")
    _, fewer = _standing(tenants, "till")
    assert _lost(update(object_, old=held, new=fewer, subResource="status"), NAMED, THERE) == ["shop"]
    assert _lost(update(object_, old=fewer, new=held), NAMED, THERE) == []
    object_, held = _standing(charts, "shop")
    assert _lost(update(object_, old=held, new=_standing(charts, "till")[1]), NAMED, THERE) == ["shop"]
    assert _lost(update(object_, old=held, new={"spec": {}}), NAMED, THERE) == ["shop"]


@pytest.mark.parametrize("held", [{}, {"status": {}}, {"status": {"namespaces": [1]}}, {"status": []}])
def test_an_object_that_does_not_tell_which_is_refused(held: dict[str, Any]) -> None:
    """To agents; but for a kind that has another field for it, or may stand for none."""
    tenant = Target(GroupResource("capsule.clastix.io", "tenants"), "Tenant", "", "t", "uid-t")
    # Capsule leaves the list out where there are none.
    told = held.get("status") == {} or not held
    assert (decide(deletion(tenant, stored=held), state(NAMED)).reason is Reason.INTERNAL_ERROR) != told
    assert decide(deletion(tenant, PERSON, stored=held), state(NAMED)).allowed
    chart = Target(GroupResource("helm.cattle.io", "helmcharts"), "HelmChart", "shop", "c", "uid-c")
    assert _lost(deletion(chart, stored={"spec": {}}), NAMED, THERE) == ["shop"]
    assert decide(deletion(chart, PERSON, stored={"spec": {}}), state(NAMED)).allowed
    odd = {"spec": {"targetNamespace": {"a": "b"}}}
    assert decide(deletion(chart, stored=odd), state(NAMED)).reason is Reason.INTERNAL_ERROR


def test_several_protected_namespaces_are_refused_together() -> None:
    """Each can be deleted by itself."""
    tenants = next(alias for alias in aliases.BUILT_IN if alias.path == "status.namespaces")
    object_, held = _standing(tenants, "shop", "till")
    decided = decide(deletion(object_, stored=held), state(NAMED), answers=THERE)
    assert "too many to be approved together" in decided.message


def test_a_namespace_takes_along_what_is_aliased_in_it() -> None:
    """Its own approval is not enough for another namespace."""
    both = policy(NAMESPACES)
    above = target(NAMESPACES, "above", uid="uid-above")
    answers = Answers(objects=live(SHOP), aliased=frozenset({"shop", "above"}))
    unbound = policy(NAMESPACES, requirement=both.requirement.__class__(bind_impact=False))
    asked = deletion(above, stored={"annotations": approved_for(above)})
    assert decide(asked, state(unbound), answers=Answers()).reason is Reason.APPROVED
    decided = decide(asked, state(unbound), answers=answers)
    assert (decided.allowed, decided.reason) == (False, Reason.APPROVAL_MISSING)
    assert answers.questions(AliasedBy) == [AliasedBy("above", OF_NAMESPACES)]


def test_kinds_that_an_installer_adds_count() -> None:
    """Beside the known ones."""
    added = Installation(aliases=(*aliases.BUILT_IN, aliases.parse("spaces.example.com=spec.place.name")))
    space = Target(GroupResource("example.com", "spaces"), "Space", "", "s", "uid-s")
    held = {"spec": {"place": {"name": "shop"}}}
    assert decide(deletion(space, stored=held), state(NAMED), answers=THERE).allowed
    decided = decide(deletion(space, stored=held), state(NAMED, installation=added), answers=THERE)
    assert decided.reason is Reason.APPROVAL_MISSING


@pytest.mark.parametrize(
    "text", ["", "spaces", "spaces=metadata.name", "Spaces.x=a", "s.example.com=", "s.x=a..b", "s.x=a??"]
)
def test_a_row_that_is_none_is_told(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=r"give such as spaces\.example\.com=spec\.namespace"):
        aliases.parse(text)


def test_a_row_may_say_that_its_field_may_be_absent() -> None:
    """By a question mark."""
    row = aliases.parse("spaces.example.com=spec.namespace?")
    assert row == Alias(GroupResource("example.com", "spaces"), "spec.namespace", row.reason, optional=True)
    assert aliases.names(row, {}) == frozenset()
    assert resolved(NAMESPACES)


ORPHAN = Answers(objects=live(POD), uncontrolled={PODS: [Placed("payments", "broker", "uid-pod")]})
LABELLED = {"selector": {"matchLabels": {"app": "broker"}}}


def _workload(group: str, plural: str, name: str = "mine") -> Target:
    return target(GroupResource(group, plural), name, uid="")


@pytest.mark.parametrize(
    ("group", "plural", "spec"),
    [
        ("apps", "replicasets", LABELLED),
        ("apps", "deployments", LABELLED),
        ("apps", "daemonsets", LABELLED),
        ("batch", "jobs", {"manualSelector": True} | LABELLED),
        ("", "replicationcontrollers", {"selector": {"app": "broker"}}),
    ],
)
def test_whoever_makes_a_workload_over_protected_pods_ends_them(group: str, plural: str, spec: dict[str, Any]) -> None:
    """Its controller takes those of no controller for its own, and its size says how many stay."""
    made = creation(_workload(group, plural), new={"spec": spec})
    answers = Answers(objects=ORPHAN.objects, uncontrolled=ORPHAN.uncontrolled)
    assert _lost(made, policy(PODS), answers) == ["broker"]
    assert [asked.selector for asked in answers.questions(Uncontrolled) if asked.kind.resource == PODS] == [
        "app in (broker)"
    ]
    assert _lost(made, policy(PODS), Answers()) == []
    assert _lost(made, policy(CLAIMS), ORPHAN) == []
    assert decide(made, state(policy(PODS)), answers=Answers(unknown=[Uncontrolled])).reason is Reason.INTERNAL_ERROR


def test_a_stateful_set_takes_pods_of_its_own_name_alone() -> None:
    """With a number behind it."""
    pods = [Placed("payments", name, f"uid-{name}") for name in ("db-0", "db-x", "other-0")]
    objects = {key: one for pod in pods for key, one in live(target(PODS, pod.name, uid=pod.uid)).items()}
    made = creation(_workload("apps", "statefulsets", "db"), new={"spec": LABELLED})
    assert _lost(made, policy(PODS), Answers(objects=objects, uncontrolled={PODS: pods})) == ["db-0"]


def test_a_deployment_takes_sets_of_no_controller_and_their_pods() -> None:
    """All but one of its own template go."""
    made = creation(_workload("apps", "deployments"), new={"spec": LABELLED})
    bare = target(REPLICA_SETS, "bare", uid="uid-bare")
    below = Dependent(resolved(PODS), "payments", "broker", "uid-pod", REPLICA_SETS)
    given: dict[str, Any] = {
        "objects": live(bare) | live(POD),
        "uncontrolled": {REPLICA_SETS: [Placed("payments", "bare", "uid-bare")]},
        "dependents": [below],
    }
    assert _lost(made, policy(PODS), Answers(**given)) == ["broker"]
    assert _lost(made, policy(REPLICA_SETS), Answers(**given)) == ["bare"]


def test_each_form_of_a_selector_is_asked_for_as_it_is() -> None:
    """In the words of a list; a new selector of a ReplicationController as well, and an old one not again."""
    expressions = [
        {"key": "a", "operator": "In", "values": ["1", "2"]},
        {"key": "b", "operator": "NotIn", "values": ["3"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    selector = {"selector": {"matchLabels": {"e": "f"}, "matchExpressions": expressions}}
    answers = Answers()
    decide(creation(_workload("apps", "replicasets"), new={"spec": selector}), state(policy(PODS)), answers=answers)
    assert [asked.selector for asked in answers.questions(Uncontrolled)] == ["a in (1,2),b notin (3),c,!d,e in (f)"]
    controller = _workload("", "replicationcontrollers")
    before, after = ({"spec": {"selector": {"app": name}}} for name in ("mine", "broker"))
    assert _lost(update(controller, old=before, new=after), policy(PODS), ORPHAN) == ["broker"]
    assert _lost(update(controller, old=after, new=after), policy(PODS), ORPHAN) == []


def test_an_autoscaler_ends_pods_of_what_it_scales() -> None:
    """Where a policy names the pods and not the workload; whatever the size is now, since it acts on later ones too."""

    def scaler(least: int | None, kind: str = "Deployment", version: str = "apps/v1") -> dict[str, Any]:
        return {"spec": {"minReplicas": least, "scaleTargetRef": {"apiVersion": version, "kind": kind, "name": "web"}}}

    object_ = target(AUTOSCALERS, "h")
    web = target(DEPLOYMENTS, "web", uid="uid-web")
    below = Dependent(resolved(PODS), "payments", "broker", "uid-pod", REPLICA_SETS, (DEPLOYMENTS,))
    stored = Answers(objects=live(POD), whole=document(web, spec={"replicas": 3}), dependents=[below])
    one = policy(PODS)
    assert _lost(creation(object_, new=scaler(2)), one, stored) == ["broker"]
    assert _lost(creation(object_, new=scaler(None)), one, stored) == ["broker"]
    assert _lost(update(object_, old=scaler(3), new=scaler(1)), one, stored) == ["broker"]
    assert _lost(creation(object_, new=scaler(3)), one, stored) == ["broker"]
    # What the autoscaler itself owns is not what this is about.
    here = [indirect_deletion.RULE]
    others: Sequence[dict[str, Any]] = ({"maxReplicas": 2}, {"metrics": []}, {"behavior": {}})
    for changed in others:
        assert _lost(update(object_, old=scaler(1), new=_with(scaler(1), **changed)), one, stored, here) == ["broker"]
        assert _lost(update(object_, old=scaler(3), new=_with(scaler(3), **changed)), one, stored, here) == ["broker"]
    old_form = scaler(1) | {"annotations": {"autoscaling.alpha.kubernetes.io/metrics": "[]"}}
    assert _lost(update(object_, old=scaler(1), new=old_form), one, stored, here) == ["broker"]
    assert _lost(update(object_, old=scaler(1), new=scaler(1) | {"labels": {"a": "b"}}), one, stored, here) == []
    assert _lost(deletion(object_, stored=scaler(1)), one, stored, here) == []
    assert _lost(creation(object_, new=scaler(2)), policy(PODS, DEPLOYMENTS), stored) == []
    assert _lost(creation(object_, new=scaler(2)), policy(CLAIMS), stored) == []
    # Nor does anybody approve the end of what is not there yet.
    none = Answers(whole=document(web, spec={"replicas": 0}))
    for nothing in (none, Answers()):
        assert _refused(creation(object_, new=scaler(2)), one, nothing)
        events = {"minReplicaCount": 1, "scaleTargetRef": {"name": "web"}}
        assert _refused(creation(SCALED, new={"spec": events}), one, nothing)
        for free in (policy(PODS, DEPLOYMENTS), policy(CLAIMS), policy(PODS, namespaces=["elsewhere"]), policy()):
            assert _lost(creation(object_, new=scaler(2)), free, nothing) == []
    gone = {"scaleTargetRef": {"name": "web"}, "advanced": {"restoreToOriginalReplicaCount": True}}
    assert _lost(deletion(SCALED, stored={"spec": gone}), one, none) == []
    assert _lost(deletion(SCALED, stored={"spec": gone}), one, Answers()) == []


def test_other_autoscalers_end_pods_as_well() -> None:
    """KEDA's by a size; the Vertical Pod Autoscaler by eviction, whatever the size, unless it says that it does not."""
    web = target(DEPLOYMENTS, "web", uid="uid-web")
    below = Dependent(resolved(PODS), "payments", "broker", "uid-pod", REPLICA_SETS, (DEPLOYMENTS,))
    stored = Answers(objects=live(POD), whole=document(web, spec={"replicas": 1}), dependents=[below])
    one = policy(PODS)
    assert _lost(creation(SCALED, new={"spec": {"scaleTargetRef": {"name": "web"}}}), one, stored) == ["broker"]
    vertical = target(scaling.VERTICAL, "v")
    named = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
    assert _lost(creation(vertical, new={"spec": named}), one, stored) == ["broker"]
    for mode, lost in (("Auto", ["broker"]), ("InPlaceOrRecreate", ["broker"]), ("Initial", []), ("Off", [])):
        spec = named | {"updatePolicy": {"updateMode": mode}}
        assert _lost(creation(vertical, new={"spec": spec}), one, stored) == lost
    assert _lost(creation(vertical, new={"spec": named}), policy(PODS, DEPLOYMENTS), stored) == []
    assert _lost(creation(vertical, new={"spec": {}}), one, stored) == []
    assert _refused(creation(vertical, new={"spec": named}), one, Answers())
    assert _lost(deletion(vertical, stored={"spec": named}), one, stored, [indirect_deletion.RULE]) == []


def test_a_second_autoscaler_ends_the_first() -> None:
    """Over the same workload, or over the ReplicaSet that this makes; not when it is the same one."""
    first, second = target(AUTOSCALERS, "first", uid="uid-1"), target(AUTOSCALERS, "second", uid="uid-2")
    spec = {
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2}
    }
    there = live(first)
    one = policy(AUTOSCALERS)
    answers = Answers(objects=there, scaling=[first, second])
    assert _lost(creation(second, new=spec), one, answers) == ["first"]
    said = decide(creation(second, new=spec), state(one), answers=answers).message
    assert (
        "\nCREATE of horizontalpodautoscalers.autoscaling payments/second counts as the end of this object:"
        " the controller scales nothing that two name\n"
    ) in said
    assert _lost(creation(second, new=spec), policy(DEPLOYMENTS), answers) == []
    assert _lost(update(second, old=spec, new=spec | {"labels": {"a": "b"}}), one, answers) == []
    keda = target(SCALED.resource, "web", uid="uid-k")
    assert _lost(creation(keda, new=spec), policy(AUTOSCALERS, SCALED.resource), answers) == ["first"]
    assert _lost(creation(keda, new=spec), policy(AUTOSCALERS), Answers(objects=there, scaling=[first, keda])) == []
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-web", "controller": True}
    made = live(target(REPLICA_SETS, "web-1", uid="uid-set"), owner_references=[msgspec.convert(web, OwnerReference)])
    spec = {
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1"}, "minReplicas": 2}
    }
    answers = Answers(objects=there | made, scaling=[first])
    assert _lost(creation(second, new=spec), one, answers) == ["first"]
    (asked,) = answers.questions(ScaledBy)
    assert asked.scaled == (Scaled("apps", "ReplicaSet", "web-1"), Scaled("apps", "Deployment", "web"))


def test_an_autoscaler_of_a_custom_kind_ends_what_objects_of_its_group_own_there() -> None:
    """Which of them it names is not known, nor what its controller does. Elsewhere, and of nothing owned, none."""
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}
    asked = creation(target(AUTOSCALERS, "h"), new={"spec": {"minReplicas": 2, "scaleTargetRef": rollout}})
    through = GroupResource("argoproj.io", "")
    there = Dependent(resolved(DEPLOYMENTS), DEPLOYMENT.namespace, DEPLOYMENT.name, DEPLOYMENT.uid, through)
    elsewhere = there._replace(namespace="other")
    answers = Answers(objects=live(DEPLOYMENT), dependents=[there, elsewhere])
    assert _lost(asked, policy(), answers) == ["checkout"]
    assert [each.keys for each in answers.questions(Dependents)] == [frozenset({"*.argoproj.io"}), BY_POD]
    assert _lost(asked, policy(), Answers()) == []
    assert _refused(asked, policy(PODS), Answers())


WEB = target(REPLICA_SETS, "web-5d", uid="uid-web")
CONTROLLED_BY = [
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "uid": "uid-web", "controller": True}
]
NIGHTLY = [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "uid-nightly", "controller": True}]
CUSTOM = [{"apiVersion": "example.com/v1", "kind": "Set", "name": "s", "uid": "uid-s", "controller": True}]
MINE = target(PODS, "mine", uid="uid-mine")
SIBLING = Dependent(resolved(PODS), "payments", "broker", "uid-pod", REPLICA_SETS)


def _counted(**given: Any) -> Answers:
    return Answers(**({"objects": live(POD), "selecting": [WEB], "dependents": [SIBLING]} | given))


def test_one_more_pod_under_a_controller_ends_others() -> None:
    """By labels that its selector fits, or by an owner; made so, or labelled so later. Others' labels fit nothing."""
    one = policy(PODS)
    labelled = creation(MINE, new={"labels": {"app": "web"}})
    answers = _counted()
    assert _lost(labelled, one, answers) == ["broker"]
    (asked,) = answers.questions(Selecting)
    assert (asked.namespace, asked.labels) == ("payments", (("app", "web"),))
    assert "deployments" not in {kind.resource.resource for kind in asked.kinds}
    assert _lost(creation(MINE, new={"ownerReferences": CONTROLLED_BY}), one, _counted(selecting=[])) == ["broker"]
    assert _lost(creation(MINE, new={"ownerReferences": CUSTOM}), one, _counted(selecting=[])) == ["broker"]
    assert _lost(labelled, one, _counted(selecting=[])) == []
    assert _lost(creation(MINE), one, _counted()) == ["broker"], "a selector may ask that a label is not there"
    assert _lost(labelled, policy(CLAIMS), _counted()) == []
    changed = update(MINE, old={"labels": {"a": "b"}}, new={"labels": {"app": "web"}})
    deletes = policy(PODS, actions=frozenset({Action.DELETE}))
    assert _lost(changed, deletes, _counted()) == ["broker"]
    kept = update(MINE, old={"labels": {"app": "web"}}, new={"labels": {"app": "web"}, "annotations": {"a": "b"}})
    assert _lost(kept, deletes, _counted()) == []
    for unknown in (Selecting, Dependents):
        decided = decide(labelled, state(one), answers=_counted(unknown=[unknown]))
        assert decided.reason is Reason.INTERNAL_ERROR


def test_one_more_is_free_where_the_policy_names_the_workload_as_well() -> None:
    """Its size is free there."""
    labelled = creation(MINE, new={"labels": {"app": "web"}})
    above = SIBLING._replace(above=(DEPLOYMENTS,))
    assert _lost(labelled, policy(PODS, REPLICA_SETS), _counted()) == []
    assert _lost(labelled, policy(PODS, DEPLOYMENTS), _counted(dependents=[above])) == []


def test_one_more_job_ends_those_beyond_its_cron_jobs_history() -> None:
    """And one more ReplicaSet those beyond a Deployment's."""
    cron_jobs = GroupResource("batch", "cronjobs")
    old_job = target(JOBS, "nightly-1", uid="uid-job")
    before = Dependent(resolved(JOBS), "payments", "nightly-1", "uid-job", cron_jobs)
    made = creation(target(JOBS, "nightly-2", uid="uid-2"), new={"ownerReferences": NIGHTLY})
    answers = Answers(objects=live(old_job), dependents=[before])
    assert _lost(made, policy(JOBS), answers) == ["nightly-1"]
    assert _lost(made, policy(JOBS, cron_jobs), answers) == []
    assert _lost(creation(target(JOBS, "other", uid="uid-2")), policy(JOBS), answers) == []
    named = live(target(cron_jobs, "nightly", uid="uid-nightly"))
    for false in ({"apiVersion": "example.com/v1"}, {"kind": "Foo"}, {"uid": "other"}):
        joins = creation(target(JOBS, "nightly-2", uid="uid-2"), new={"ownerReferences": [NIGHTLY[0] | false]})
        counted = Answers(objects={**live(old_job), **named}, dependents=[before])
        assert _lost(joins, policy(JOBS), counted) == ["nightly-1"]
        assert frozenset({"uid-nightly"}) in {each.keys for each in counted.questions(Dependents)}
    unread = Answers(objects=live(old_job), unknown=[ReadObjects])
    assert decide(made, state(policy(JOBS)), answers=unread).reason is Reason.INTERNAL_ERROR
    old_set = target(REPLICA_SETS, "web-1", uid="uid-set")
    former = Dependent(resolved(REPLICA_SETS), "payments", "web-1", "uid-set", DEPLOYMENTS)
    more = creation(target(REPLICA_SETS, "web-2", uid="uid-2"), new={"labels": {"app": "web"}})
    given = Answers(objects=live(old_set), dependents=[former], selecting=[target(DEPLOYMENTS, "web", uid="uid-web")])
    assert _lost(more, policy(REPLICA_SETS), given) == ["web-1"]


class _Owned(Answers):
    """Jobs own what is protected; they are not followed themselves."""

    def __call__(self, lookup: Lookup[Any]) -> Any:
        """Answer."""
        found = super().__call__(lookup)
        return () if isinstance(lookup, Dependents) and not lookup.keys & {"/batch/v1/Job", "uid-job"} else found


def test_one_more_job_ends_what_those_of_its_cron_job_own() -> None:
    """Though no policy names Jobs: the one that owns it is beyond the history. Of another CronJob none."""
    job = target(JOBS, "nightly-1", uid="uid-job")
    owned = Dependent(resolved(DEPLOYMENTS), DEPLOYMENT.namespace, DEPLOYMENT.name, DEPLOYMENT.uid, JOBS)
    by_job = OwnerReference("batch/v1", "Job", job.name, job.uid)
    by_cron = OwnerReference("batch/v1", "CronJob", "nightly", "uid-nightly", controller=True)
    objects = {**live(DEPLOYMENT, owner_references=[by_job]), **live(job, owner_references=[by_cron])}
    made = creation(target(JOBS, "nightly-2", uid="uid-2"), new={"ownerReferences": NIGHTLY})
    answers = _Owned(objects=objects, dependents=[owned])
    assert _lost(made, policy(), answers) == ["checkout"]
    other = creation(target(JOBS, "o", uid="uid-2"), new={"ownerReferences": [NIGHTLY[0] | {"uid": "o", "name": "o"}]})
    assert _lost(other, policy(), answers) == []
    assert _lost(creation(target(JOBS, "o", uid="uid-2")), policy(), answers) == []
    assert _lost(made, policy(namespaces=frozenset({"prod"})), answers) == []


def test_one_more_pod_ends_a_job_with_what_that_owns() -> None:
    """Though no policy names Jobs or pods: it is counted for one of the Job's. One that has its end keeps it."""
    job = target(JOBS, "boot", uid="uid-job")
    owned = Dependent(resolved(DEPLOYMENTS), DEPLOYMENT.namespace, DEPLOYMENT.name, DEPLOYMENT.uid, JOBS)
    given: dict[str, Any] = {"objects": live(DEPLOYMENT), "dependents": [owned], "selecting": [job]}
    joins = creation(MINE, new={"labels": {"job-name": "boot"}})
    labelled = update(MINE, old={}, new={"labels": {"job-name": "boot"}})
    finished = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    for asked in (joins, labelled):
        assert _lost(asked, policy(), Answers(whole=document(job), **given)) == ["checkout"]
    assert _lost(joins, policy(), Answers(whole=document(job), **given | {"selecting": []})) == []
    assert _lost(joins, policy(), Answers(whole=document(job), **given | {"dependents": []})) == []
    assert _lost(joins, policy(), Answers(whole=document(job, **finished), **given)) == []
    noted = update(MINE, old={"labels": {"a": "b"}}, new={"labels": {"a": "b"}, "annotations": {"c": "d"}})
    assert _lost(noted, policy(), Answers(dependents=[owned], unknown=[Selecting])) == []


def test_a_selector_that_nobody_can_read_is_refused() -> None:
    """Of a workload that is made; among others it counts as one that fits."""
    odd = creation(_workload("apps", "replicasets"), new={"spec": {"selector": {"matchLabels": ["app"]}}})
    assert decide(odd, state(policy(PODS)), answers=Answers()).reason is Reason.INTERNAL_ERROR
    sets = GroupResource("apps", "replicasets")
    assert selectors.fits(sets, {"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}, {})
    assert selectors.fits(sets, {"selector": {"matchLabels": {"a": "b"}}}, {"a": "b", "c": "d"})
    assert not selectors.fits(sets, {"selector": {"matchLabels": {"a": "b"}}}, {"a": "c"})
    assert not selectors.fits(sets, {}, {"a": "c"})
    assert selectors.fits(selectors.BY_LABELS, {"selector": {"a": "b"}}, {"a": "b"})


@pytest.mark.parametrize("plural", ["pods", "bindings"])
def test_a_pod_that_is_bound_to_some_node_counts_as_deleted(plural: str) -> None:
    """One that is not there, or does not take it, ends it. Schedulers are no agents."""
    pod = target(GroupResource("", plural), "broker", uid="")
    below: dict[str, Any] = {"kind": {"group": "", "version": "v1", "kind": "Binding"}}
    if plural == "pods":
        below["subResource"] = "binding"
    bound = creation(pod, **below)
    answers = Answers(objects=live(POD))
    assert _lost(bound, policy(PODS), answers) == ["broker"]
    assert _lost(bound, policy(DEPLOYMENTS), answers) == []
    assert _lost(bound, policy(PODS), Answers()) == []
    assert decide(creation(pod, PERSON, **below), state(policy(PODS)), answers=answers).allowed


@pytest.mark.parametrize("plural", ["pods", "bindings"])
def test_a_binding_gives_the_pod_no_labels_and_annotations(plural: str) -> None:
    """No review of the pod would show them. Those that the API server gives a binding itself are free."""
    pod = target(GroupResource("", plural), "mine", uid="")
    below: dict[str, Any] = {"kind": {"group": "", "version": "v1", "kind": "Binding"}}
    if plural == "pods":
        below["subResource"] = "binding"
    for carried in ({"labels": {"app": "db"}}, {"annotations": {"a": "b"}}):
        refused = decide(creation(pod, new=carried, **below), state(policy(DEPLOYMENTS)), answers=Answers())
        assert "no labels or annotations" in refused.message
        assert decide(creation(pod, PERSON, new=carried, **below), state(policy(DEPLOYMENTS))).allowed
    given = {"labels": {"topology.kubernetes.io/zone": "a"}}
    for free in ({}, given):
        assert decide(creation(pod, new=free, **below), state(policy(DEPLOYMENTS))).allowed
    made = creation(target(PODS, "mine", uid=""), new={"annotations": {"a": "b"}})
    assert decide(made, state(policy(DEPLOYMENTS))).allowed


LEASE = target(GroupResource("coordination.k8s.io", "leases"), "n1", "kube-node-lease")


@pytest.mark.parametrize(
    "asked", [deletion(LEASE), update(LEASE, new={"spec": {"renewTime": "2100"}}), creation(LEASE)]
)
def test_the_lease_of_a_node_counts_as_the_node(asked: Request) -> None:
    """Without it, or with one from the future, the node is taken for lost."""
    assert _lost(asked, policy(PODS), RUNNING) == ["broker"]
    node = Target(NODES, "Node", "", "n1", "uid-node")
    there = Answers(objects=live(node))
    assert _lost(asked, policy(NODES), there) == ["n1"]
    assert _lost(asked, policy(NODES), Answers()) == []
    signed = Answers(objects=live(node, annotations=approved_for(node)))
    assert decide(asked, state(policy(NODES)), answers=signed).reason is Reason.APPROVED
    both = Answers(objects=live(node) | live(POD), pods=RUNNING.pods)
    assert sorted(_lost(asked, policy(NODES, PODS), both)) == ["broker", "n1"]
    assert _lost(asked, policy(DEPLOYMENTS), RUNNING) == []
    elsewhere = msgspec.structs.replace(asked, target=msgspec.structs.replace(asked.target, namespace="payments"))
    assert _lost(elsewhere, policy(PODS), RUNNING) == []


def test_what_says_which_drivers_a_node_has_counts_as_the_node() -> None:
    """Its CSINode: its kubelet does not say so again. Labels are free, and where nobody protects nodes all of it."""
    drivers = Target(GroupResource("storage.k8s.io", "csinodes"), "CSINode", "", "n1", "uid-csi")
    there = Answers(objects=live(Target(NODES, "Node", "", "n1", "uid-node")))
    had = {"spec": {"drivers": [{"name": "disk.example.com", "nodeID": "n1"}]}}
    for asked in (
        deletion(drivers, stored=had),
        creation(drivers, new=had),
        update(drivers, old=had, new={"spec": {}}),
    ):
        assert _lost(asked, policy(NODES), there) == ["n1"]
        assert _lost(asked, policy(NODES), Answers()) == []
        assert _lost(asked, policy(PODS), there) == []
    assert _lost(update(drivers, old=had, new=had | {"labels": {"a": "b"}}), policy(NODES), there) == []


def test_a_revision_that_is_changed_has_its_pods_replaced() -> None:
    """Deleted or changed, by whoever controls it or by labels. Agents add none at all."""
    revision = target(GroupResource("apps", "controllerrevisions"), "db-5d", uid="uid-revision")
    above = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "uid-set", "controller": True}
    owned = {"ownerReferences": [above]}
    sibling = SIBLING._replace(through=GroupResource("apps", "statefulsets"))
    answers = _counted(dependents=[sibling], selecting=[SET])
    for asked in (
        deletion(revision, stored=owned),
        update(revision, old=owned, new=owned | {"labels": {"a": "b"}}),
        update(revision, old=owned, new={}),
        update(revision, old={}, new={"labels": {"app": "db"}}),
    ):
        assert _lost(asked, policy(PODS), answers) == ["broker"]
    gone = deletion(revision, stored=owned)
    assert _lost(gone, policy(PODS, GroupResource("apps", "statefulsets")), answers) == []


def test_a_claim_takes_along_a_volume_that_was_there_before() -> None:
    """An agent's own claim may be bound to it; not one that was made for the claim, or is retained."""
    claim = target(CLAIMS, "mine", uid="uid-mine")
    bound = deletion(claim, stored={"spec": {"volumeName": "pv-1"}})

    def volume(policy_: str = "Delete", name: str = VOLUME.name, **metadata: Any) -> Answers:
        named = msgspec.structs.replace(VOLUME, name=name)
        held = document(named, spec={"persistentVolumeReclaimPolicy": policy_}, **metadata)
        return Answers(objects=live(VOLUME), whole=held)

    one = policy(VOLUMES)
    assert _lost(bound, one, volume()) == ["pv-1"]
    assert _lost(bound, one, volume("Recycle")) == ["pv-1"]
    assert _lost(bound, one, volume("Retain")) == []
    # What it says of itself it may have said to another claim before.
    assert _lost(bound, one, volume(annotations={"pv.kubernetes.io/provisioned-by": "csi.example.com"})) == ["pv-1"]
    for name, lost in (("pvc-uid-mine", []), ("pvc-uid-other", ["pv-1"]), ("uid-mine-1", ["pv-1"])):
        assert _lost(bound, one, volume(name=name)) == lost
    uid = "01234567-89ab-4def-8123-456789abcdef"
    whole = deletion(target(CLAIMS, "mine", uid=uid), stored={"spec": {"volumeName": "pv-1"}})
    for name, lost in (("pvc-0123456789ab", []), ("pvc-0123", ["pv-1"]), ("pvc-3456789a", ["pv-1"]), (f"a-{uid}", [])):
        assert _lost(whole, one, volume(name=name)) == lost
    assert _lost(bound, one, Answers()) == []
    assert _lost(bound, policy(DEPLOYMENTS), volume()) == []
    assert _lost(deletion(claim, stored={"spec": {}}), one, volume()) == []
    decided = decide(bound, state(one), answers=Answers(unknown=[ReadWhole]))
    assert decided.reason is Reason.INTERNAL_ERROR


def test_a_service_account_takes_its_token_secrets_along() -> None:
    """By its deletion; nobody asks where no policy names Secrets."""
    account = target(GroupResource("", "serviceaccounts"), "worker", uid="uid-account")
    token = target(SECRETS, "worker-token", uid="uid-token")
    tokens = [Placed("payments", "worker-token", "uid-token")]
    answers = Answers(objects=live(token), tokens=tokens)
    assert _lost(deletion(account), policy(SECRETS), answers) == ["worker-token"]
    leaving = {"deletionTimestamp": "2026-11-22T09:00:00Z", "finalizers": ["a/b"]}
    assert _lost(update(account, old=leaving, new={}), policy(SECRETS), answers) == ["worker-token"]
    assert answers.questions(Tokens) == [Tokens("payments", "worker")] * 2
    held = Answers(objects=live(token, annotations=approved_for(token)), tokens=tokens)
    assert decide(deletion(account), state(policy(SECRETS)), answers=held).reason is Reason.APPROVED
    unknown = Answers(unknown=[Tokens])
    assert decide(deletion(account), state(policy(SECRETS)), answers=unknown).reason is Reason.INTERNAL_ERROR
    for free in (update(account, new={"labels": {"a": "b"}}), deletion(account, PERSON)):
        assert decide(free, state(policy(SECRETS)), answers=unknown).allowed
    assert decide(deletion(account), state(policy(CLAIMS)), answers=unknown).allowed


MARKED = {"annotations": {"janitor/ttl": "1m"}}
"""By which kube-janitor deletes what carries it."""


def test_what_a_program_is_told_to_delete_takes_along_what_its_deletion_does() -> None:
    """A ServiceAccount its tokens, an address its Service, a claim its volume, an alias its namespaces."""
    account = target(GroupResource("", "serviceaccounts"), "worker", uid="uid-sa")
    token = target(SECRETS, "worker-token", uid="uid-token")
    held = Answers(objects=live(token), tokens=[Placed("payments", "worker-token", "uid-token")])
    assert _lost(update(account, new=MARKED), policy(SECRETS), held) == ["worker-token"]
    services = GroupResource("", "services")
    parent = {"group": "", "resource": "services", "namespace": "payments", "name": "shop"}
    address = Target(GroupResource("networking.k8s.io", "ipaddresses"), "IPAddress", "", "10.0.0.9", "uid-ip")
    spec = {"spec": {"parentRef": parent}}
    there = Answers(objects=live(target(services, "shop", uid="uid-shop")))
    assert _lost(update(address, old=spec, new=spec | MARKED), policy(services), there) == ["shop"]
    claim = target(CLAIMS, "mine", uid="uid-mine")
    bound = {"spec": {"volumeName": VOLUME.name}}
    stored = Answers(objects=live(VOLUME), whole=document(VOLUME, **_volume(policy_="Delete")))
    assert _lost(update(claim, old=bound, new=bound | MARKED), policy(VOLUMES), stored) == [VOLUME.name]
    object_, standing = _standing(aliases.BUILT_IN[0], "shop")
    assert _lost(update(object_, old=standing, new=standing | MARKED), NAMED, THERE) == ["shop"]
    outer = target(NAMESPACES, "team", namespace="")
    inner = policy(NAMESPACES, namespaces=frozenset({"shop"}))
    above = Answers(objects=live(SHOP), aliased=frozenset({"shop"}))
    assert "too many to be approved together" in decide(update(outer, new=MARKED), state(inner), answers=above).message


def test_a_namespace_that_no_policy_names_keeps_what_it_holds() -> None:
    """By its annotations programs scale that to nothing or delete it; while it is said to end nothing is made anew."""
    team = target(NAMESPACES, "payments", namespace="")
    holding = Answers(holds={DEPLOYMENTS: [Item("checkout", "uid")]})
    ending = {"status": {"phase": "Terminating"}}
    marks: Sequence[dict[str, Any]] = (MARKED, {"annotations": {"downscaler/force-downtime": "true"}})
    for asked in (*(update(team, new=mark) for mark in marks), update(team, new=ending, subResource="status")):
        refused = decide(asked, state(policy()), answers=holding)
        assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
        assert decide(asked, state(policy()), answers=Answers()).allowed
        assert decide(asked, state(policy(DEPLOYMENTS, NAMESPACES)), answers=holding).action is Action.CHANGE
    for free in ({"labels": {"a": "b"}}, {"annotations": {"a": "b"}}):
        assert decide(update(team, new=free), state(policy()), answers=holding).allowed


def test_a_service_loses_its_address_with_the_ip_address() -> None:
    """Another Service may be given it. An address of something else is free, and so are labels."""
    address = Target(GroupResource("networking.k8s.io", "ipaddresses"), "IPAddress", "", "10.0.0.9", "uid-ip")
    services = GroupResource("", "services")
    service = target(services, "shop", uid="uid-shop")
    parent = {"group": "", "resource": "services", "namespace": "payments", "name": "shop"}
    held = {"spec": {"parentRef": parent}}
    answers = Answers(objects=live(service))
    assert _lost(deletion(address, stored=held), policy(services), answers) == ["shop"]
    assert _lost(update(address, old=held, new=held | {"labels": {"a": "b"}}), policy(services), answers) == []
    others: list[dict[str, Any]] = [{"spec": {"parentRef": parent | {"resource": "gateways"}}}, {"spec": {}}, {}]
    for stored in others:
        assert _lost(deletion(address, stored=stored), policy(services), answers) == []
    approved = Answers(objects=live(service, annotations=approved_for(service)))
    assert decide(deletion(address, stored=held), state(policy(services)), answers=approved).reason is Reason.APPROVED
    assert decide(deletion(address, PERSON, stored=held), state(policy(services)), answers=answers).allowed


def test_names_of_very_many_claims_are_not_compared_each_with_each() -> None:
    """Nothing bounds the templates of a StatefulSet, nor that of an agent's next one."""
    theirs = Claimant("db", "u", frozenset(f"t{number}" for number in range(400)), frozenset(), False)
    mine = target(SET.resource, "web")

    def reason(templates: int) -> Reason:
        names = [{"metadata": {"name": f"n{number}"}} for number in range(templates)]
        asked = creation(mine, new={"spec": {"volumeClaimTemplates": names, "template": {"spec": {}}}})
        return decide(asked, state(policy(SET.resource)), answers=Answers(claimants=[theirs])).reason

    assert reason(20) is Reason.NOT_COVERED
    assert reason(400) is Reason.APPROVAL_MISSING
