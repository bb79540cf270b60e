"""What goes along takes others along itself, by the rows of the table of indirect deleters."""

from typing import Any

import msgspec
import pytest
from tests.support.builders import (
    BY_POD,
    CONFIG_MAPS,
    DEPLOYMENTS,
    PERSON,
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
from seconder.admission.indirect import along, table
from seconder.admission.lookups import (
    AliasedBy,
    ControlledIn,
    Dependents,
    Holder,
    Holders,
    Lookup,
    Placed,
    ReadObjects,
    ReadWhole,
    Tokens,
)
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.request import Operation, OwnerReference, Request
from seconder.api.reasons import Reason
from seconder.api.resources import (
    DEFINITIONS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Action,
    GroupResource,
    Target,
)
from seconder.approvals.impact import Item

CLAIMS = GroupResource("", "persistentvolumeclaims")
VOLUMES = GroupResource("", "persistentvolumes")
CONTENTS = GroupResource("snapshot.storage.k8s.io", "volumesnapshotcontents")
SETS = GroupResource("apps", "statefulsets")
OWNER = target(CONFIG_MAPS, "owner", uid="uid-of-owner")
SET = target(SETS, "db", uid="uid-set")
CLAIM = target(CLAIMS, "data-db-0", uid="uid-claim")
VOLUME = Target(VOLUMES, "PersistentVolume", "", "pv-1", "uid-pv")
TOKEN = target(SECRETS, "worker-token", uid="uid-token")
PLACE = target(NAMESPACES, "payments", uid="uid-ns")
RETAINED = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}


def _owned(object_: Target, through: GroupResource = CONFIG_MAPS) -> list[Dependent]:
    return [Dependent(resolved(object_.resource), object_.namespace, object_.name, object_.uid, through)]


def _set(when_deleted: str) -> dict[str, Any]:
    retention = {"whenDeleted": when_deleted}
    templates = [{"metadata": {"name": "data"}}]
    return document(SET, spec={"volumeClaimTemplates": templates, "persistentVolumeClaimRetentionPolicy": retention})


def _lost(asked: Request, named: GroupResource, answers: Answers) -> list[str]:
    return ended(decide(asked, state(policy(named)), answers=answers))


def test_a_set_that_goes_with_its_owner_deletes_its_claims() -> None:
    """Where it says so, as if it were deleted itself."""
    given: dict[str, Any] = {
        "objects": live(CLAIM),
        "dependents": _owned(SET),
        "holds": {CLAIMS: [Item(CLAIM.name, CLAIM.uid)]},
    }
    answers = Answers(whole=_set("Delete"), **given)
    assert _lost(deletion(OWNER), CLAIMS, answers) == ["data-db-0"]
    assert _lost(deletion(OWNER), CLAIMS, Answers(whole=_set("Retain"), **given)) == []
    signed = Answers(whole=_set("Delete"), **given | {"objects": live(CLAIM, annotations=approved_for(CLAIM))})
    assert decide(deletion(OWNER), state(policy(CLAIMS)), answers=signed).reason is Reason.APPROVED
    unknown = Answers(**given, unknown=[ReadWhole])
    assert decide(deletion(OWNER), state(policy(CLAIMS)), answers=unknown).reason is Reason.INTERNAL_ERROR
    assert decide(deletion(OWNER, PERSON), state(policy(CLAIMS)), answers=unknown).allowed


def test_a_claim_that_goes_with_its_owner_has_its_volume_deleted() -> None:
    """One that was there before the claim, and is not retained."""

    def answers(**spec: Any) -> Answers:
        # The claim and its volume are read as one document.
        both = {"volumeName": "pv-1", "persistentVolumeReclaimPolicy": "Delete"} | spec
        return Answers(objects=live(VOLUME), dependents=_owned(CLAIM), whole=document(CLAIM, spec=both))

    assert _lost(deletion(OWNER), VOLUMES, answers()) == ["pv-1"]
    assert _lost(deletion(OWNER), VOLUMES, answers(persistentVolumeReclaimPolicy="Retain")) == []
    assert _lost(deletion(OWNER), VOLUMES, answers(volumeName="")) == []
    assert _lost(deletion(OWNER), VOLUMES, answers(volumeName=f"pvc-{CLAIM.uid}")) == []


def test_a_service_account_that_goes_with_its_owner_takes_its_tokens() -> None:
    """Nobody asks where no policy names Secrets."""
    account = target(SERVICE_ACCOUNTS, "worker", uid="uid-account")
    tokens = [Placed(TOKEN.namespace, TOKEN.name, TOKEN.uid)]
    answers = Answers(objects=live(TOKEN), dependents=_owned(account), tokens=tokens, whole=document(account))
    assert _lost(deletion(OWNER), SECRETS, answers) == ["worker-token"]
    assert _lost(deletion(OWNER), CLAIMS, Answers(dependents=_owned(account), unknown=[Tokens])) == []


@pytest.mark.parametrize("named", [VOLUMES, CONTENTS])
def test_a_namespace_takes_the_storage_that_is_held_in_it(named: GroupResource) -> None:
    """Of claims and of snapshots, unless it was made for these."""
    storage = Target(named, "PersistentVolume", "", "one", "uid-one")
    held = [Holder("uid-holder", "one")]
    answers = Answers(objects=live(storage), holders=held, whole={"spec": {"deletionPolicy": "Delete"}})
    assert _lost(deletion(PLACE), named, answers) == ["one"]
    assert len(answers.questions(Holders)) == 1
    assert _lost(deletion(PLACE), CONFIG_MAPS, Answers(holders=held, unknown=[Holders])) == []
    assert _lost(deletion(PLACE), named, Answers(holders=held)) == [], "what is gone already"
    unknown = Answers(unknown=[Holders])
    assert decide(deletion(PLACE), state(policy(named)), answers=unknown).reason is Reason.INTERNAL_ERROR


def test_volumes_that_were_made_for_their_claims_are_not_read() -> None:
    """A namespace may hold thousands of them."""
    held = [Holder(f"uid-{number}", f"pvc-uid-{number}") for number in range(1000)]
    answers = Answers(holders=held, unknown=[ReadWhole])
    assert _lost(deletion(PLACE), VOLUMES, answers) == []


def test_more_than_can_be_followed_is_refused() -> None:
    """In words that tell what is too much: it stays so, however often somebody tries."""
    many = [each for number in range(along._MOST + 1) for each in _owned(target(SETS, f"s{number}", uid=f"u{number}"))]
    decided = decide(deletion(OWNER), state(policy(CLAIMS)), answers=Answers(dependents=many))
    assert decided.reason is Reason.APPROVAL_MISSING
    assert "more than 64 objects go with it" in decided.message
    assert "one by one" in decided.advice
    assert decided.change is None


def test_a_row_is_followed_from_what_a_row_ends() -> None:
    """A set's deletion deletes its claims, and these the volumes."""
    both = _set("Delete")
    both["spec"] |= {"volumeName": "pv-1", "persistentVolumeReclaimPolicy": "Delete"}
    holds = {CLAIMS: [Item(CLAIM.name, CLAIM.uid)]}
    answers = Answers(objects=live(VOLUME) | live(CLAIM), holds=holds, whole=both)
    gone = deletion(SET, stored={"spec": both["spec"]})
    assert _lost(gone, VOLUMES, answers) == ["pv-1"]
    assert _lost(gone, CLAIMS, answers) == ["data-db-0"]
    kept = deletion(SET, stored={"spec": _set("Retain")["spec"]})
    assert _lost(kept, VOLUMES, answers) == []


POD = target(PODS, "web-5d-x", uid="uid-pod")
OF_POD = target(CLAIMS, "web-5d-x-cache", uid="uid-cache")
REPLICA_SET = target(REPLICA_SETS, "web-5d", uid="uid-rs")
DEPLOYMENT = target(DEPLOYMENTS, "web", uid="uid-web")


def _by(owner: Target, version: str) -> dict[str, Any]:
    return {"owner_references": [OwnerReference(version, owner.kind, owner.name, owner.uid, controller=True)]}


def _ephemeral(**more: Any) -> Answers:
    objects = {
        **live(OF_POD, **_by(POD, "v1")),
        **live(POD, **_by(REPLICA_SET, "apps/v1")),
        **live(REPLICA_SET, **_by(DEPLOYMENT, "apps/v1")),
    }
    owned = Dependent(resolved(CLAIMS), OF_POD.namespace, OF_POD.name, OF_POD.uid, DEPLOYMENTS)
    return Keyed(**({"objects": objects, "dependents": [owned]} | more))


class Keyed(Answers):
    """Knows of nothing but what pods own."""

    def __call__(self, lookup: Lookup[Any]) -> Any:
        """Answer."""
        found = super().__call__(lookup)
        return () if isinstance(lookup, Dependents) and not lookup.keys & {POD.uid, *BY_POD} else found


ROLLED_OUT = update(DEPLOYMENT, old={"spec": {"template": {"a": 1}}}, new={"spec": {"template": {"a": 2}}})


@pytest.mark.parametrize(
    "asked", [deletion(DEPLOYMENT), ROLLED_OUT, scale(2, 1, object_=DEPLOYMENT), deletion(REPLICA_SET)]
)
def test_the_claims_of_ephemeral_volumes_end_with_the_pods(asked: Request) -> None:
    """Of a workload that goes, is rolled out, or is made smaller: pods are not followed, and their claims are."""
    assert _lost(asked, CLAIMS, _ephemeral()) == ["web-5d-x-cache"]
    for unknown in (Dependents, ControlledIn, ReadObjects):
        decided = decide(asked, state(policy(CLAIMS)), answers=_ephemeral(unknown=[unknown]))
        assert decided.reason is Reason.INTERNAL_ERROR
    assert decide(asked, state(policy(SECRETS)), answers=_ephemeral()).allowed


@pytest.mark.parametrize("asked", [deletion(DEPLOYMENT), ROLLED_OUT, scale(2, 1, object_=DEPLOYMENT)])
def test_the_volumes_of_those_claims_end_with_them(asked: Request) -> None:
    """Those that were there before their claims, and are not retained."""

    def answers(reclaimed: str, **more: Any) -> Answers:
        # The claim and its volume are read as one document.
        both = {"volumeName": "pv-1", "persistentVolumeReclaimPolicy": reclaimed}
        found = _ephemeral(whole=document(OF_POD, spec=both), **more)
        found.objects = {**found.objects, **live(VOLUME)}
        return found

    assert _lost(asked, VOLUMES, answers("Delete")) == ["pv-1"]
    assert _lost(asked, VOLUMES, answers("Retain")) == []
    unread = decide(asked, state(policy(VOLUMES)), answers=answers("Delete", unknown=[ReadWhole]))
    assert unread.reason is Reason.INTERNAL_ERROR


GADGET = target(GroupResource("example.com", "gadgets"), "g", uid="uid-gadget")
CHANGED = update(GADGET, old={"spec": {"size": 3}}, new={"spec": {"size": 1}})
ACCOUNT = target(SERVICE_ACCOUNTS, "worker", uid="uid-account")


def test_what_an_update_ends_takes_others_along() -> None:
    """As by a deletion: what belongs to what it changes ends what its own deletion would."""
    given: dict[str, Any] = {
        "objects": live(TOKEN) | live(VOLUME),
        "tokens": [Placed(TOKEN.namespace, TOKEN.name, TOKEN.uid)],
        "whole": document(CLAIM, spec={"volumeName": "pv-1", "persistentVolumeReclaimPolicy": "Delete"}),
    }
    for between, named, lost in ((ACCOUNT, SECRETS, TOKEN), (CLAIM, VOLUMES, VOLUME)):
        answers = Answers(dependents=_owned(between, GADGET.resource), **given)
        assert _lost(CHANGED, named, answers) == [lost.name]
        signed = Answers(**vars(answers) | {"objects": live(lost, annotations=approved_for(lost))})
        assert decide(CHANGED, state(policy(named)), answers=signed).reason is Reason.APPROVED
        assert _lost(update(GADGET, new={"labels": {"a": "b"}}), named, Answers(unknown=[Dependents])) == []
        person = msgspec.structs.replace(CHANGED, caller=PERSON)
        assert decide(person, state(policy(named)), answers=Answers(unknown=[Dependents])).allowed


def test_a_policy_that_asks_about_the_update_itself_asks_once() -> None:
    """About the change of what it names, and not of what that ends as well; another policy asks about its own."""
    answers = Answers(
        objects=live(TOKEN),
        dependents=_owned(ACCOUNT, GADGET.resource),
        tokens=[Placed(TOKEN.namespace, TOKEN.name, TOKEN.uid)],
        whole=document(ACCOUNT),
    )
    both = policy(GADGET.resource, SECRETS)
    apart = decide(CHANGED, state(both, policy(CLAIMS, name="q")), answers=answers)
    assert [part.effect.action for part in apart.parts] == [Action.CHANGE]
    other = decide(CHANGED, state(both, policy(SECRETS, name="q")), answers=answers)
    assert [part.effect.action for part in other.parts] == [Action.CHANGE]
    deletions = policy(GADGET.resource, SECRETS, actions=frozenset({Action.DELETE}))
    assert ended(decide(CHANGED, state(deletions), answers=answers)) == [TOKEN.name]


def test_a_policy_asks_about_the_volumes_behind_what_it_frees() -> None:
    """Where a rollout is free under it, its volumes are not; where it asks about the rollout, that is all."""
    spec = {"volumeName": "pv-1", "persistentVolumeReclaimPolicy": "Delete", "ephemeral": {"volumeClaimTemplate": {}}}
    answers = _ephemeral(whole=document(OF_POD, spec=spec))
    answers.objects = {**answers.objects, **live(VOLUME)}
    named = (DEPLOYMENTS, VOLUMES)
    template = {"spec": {"volumes": [spec]}}
    asked = update(DEPLOYMENT, old={"spec": {"template": {}}}, new={"spec": {"template": template}})
    assert ended(decide(asked, state(policy(*named)), answers=answers)) == ["pv-1"]
    strict = policy(*named, free_changes=("metadata.labels",))
    for policies in ((strict,), (strict, policy(SECRETS, name="q"))):
        decided = decide(asked, state(*policies), answers=answers)
        assert [part.effect.action for part in decided.parts] == [Action.CHANGE]


def test_a_rollout_and_a_size_end_what_the_controller_makes() -> None:
    """And not the claims that belong to the workload itself, which stay as long as it does."""
    spec = {"volumeName": "pv-1", "persistentVolumeReclaimPolicy": "Delete"}
    answers = Answers(
        objects=live(CLAIM) | live(VOLUME), whole=document(CLAIM, spec=spec), dependents=_owned(CLAIM, SETS)
    )
    rolled = update(SET, old={"spec": {"template": {"a": 1}}}, new={"spec": {"template": {"a": 2}}})
    for asked in (rolled, scale(3, 1, object_=SET), scale(3, 0, object_=SET)):
        assert _lost(asked, CLAIMS, answers) == _lost(asked, VOLUMES, answers) == []
    renamed = update(SET, old={"spec": {"serviceName": "a"}}, new={"spec": {"serviceName": "b"}})
    assert _lost(renamed, CLAIMS, answers) == ["data-db-0"]
    assert _lost(renamed, VOLUMES, answers) == ["pv-1"]


def test_the_claims_of_other_pods_stay() -> None:
    """What is not below the workload, or elsewhere; and what leaves pods as they are ends none."""
    other = target(DEPLOYMENTS, "other", uid="uid-other")
    assert _lost(deletion(other), CLAIMS, _ephemeral()) == []
    assert _lost(scale(1, 2, object_=DEPLOYMENT), CLAIMS, _ephemeral()) == []
    elsewhere = target(DEPLOYMENTS, "web", namespace="elsewhere", uid="uid-web")
    assert _lost(deletion(elsewhere), CLAIMS, _ephemeral()) == []
    assert _lost(deletion(DEPLOYMENT), CLAIMS, _ephemeral(dependents=_owned(target(CLAIMS, "gone", uid="u")))) == []


def test_what_stands_between_is_followed() -> None:
    """What ends what policies name, by the table: as far as the cluster serves it."""

    def followed(*named: GroupResource) -> set[str]:
        return {kind.resource.resource for kind in PolicyIndex([policy(*named)]).followed} - {"namespaces"}

    storage = {"nodes", "persistentvolumes", "persistentvolumeclaims", "statefulsets", "volumeattachments"}
    assert followed(VOLUMES) == followed(CLAIMS) == storage
    assert followed(SECRETS) == {"secrets", "serviceaccounts"}
    assert followed(CONFIG_MAPS) == {"configmaps"}
    assert decide(creation(OWNER), state(policy(VOLUMES))).allowed


def test_each_row_by_deletion_counts_where_its_object_goes_along_or_says_why_not() -> None:
    """And names the kinds that it ends, whose policies have its own followed."""
    for rows in table.deleters().values():
        for row in rows:
            if Operation.DELETE in row.operations:
                assert row.goes_along is not bool(row.stays), row.by
                assert row.ended, row.by
                assert row.deletes <= row.ended, row.by
            else:
                assert not row.goes_along, row.by
                assert not row.deletes, row.by


MACHINES = GroupResource("cluster.x-k8s.io", "machines")
MACHINE = target(MACHINES, "m", uid="uid-machine")
NODE = target(NODES, "n1", uid="uid-node")
INGRESS = target(GroupResource("networking.k8s.io", "ingresses"), "shop", uid="uid-ingress")
SERVICE = target(SERVICES, "shop", uid="uid-service")
SNAPSHOTS = GroupResource("snapshot.storage.k8s.io", "volumesnapshots")
CONTENT = Target(CONTENTS, "VolumeSnapshotContent", "", "content", "uid-content")
OF_NODE = {"status": {"nodeRef": {"name": NODE.name}}}
BOUND = {"claimRef": {"namespace": CLAIM.namespace, "name": CLAIM.name, "uid": CLAIM.uid}}
LED = {"labels": {"kubernetes.io/service-name": SERVICE.name}}
WROTE = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
_BY_OWNER: dict[str, tuple[Target, dict[str, Any], Target]] = {
    "its Machine": (MACHINE, OF_NODE, NODE),
    "its class": (
        Target(GroupResource("networking.k8s.io", "ingressclasses"), "IngressClass", "", "nginx", "uid-class"),
        {},
        INGRESS,
    ),
    "its attachment": (
        Target(GroupResource("storage.k8s.io", "volumeattachments"), "VolumeAttachment", "", "va", "uid-va"),
        # The attachment and its volume are read as one document.
        {"spec": {"source": {"persistentVolumeName": VOLUME.name}}},
        VOLUME,
    ),
    "its volume": (VOLUME, {"spec": BOUND}, CLAIM),
    "its endpoints": (target(GroupResource("discovery.k8s.io", "endpointslices"), "x", uid="uid-x"), LED, SERVICE),
    "its address": (
        Target(GroupResource("networking.k8s.io", "ipaddresses"), "IPAddress", "", "10.0.0.9", "uid-ip"),
        {"spec": {"parentRef": {"resource": "services", "namespace": SERVICE.namespace, "name": SERVICE.name}}},
        SERVICE,
    ),
    "its snapshot": (
        target(SNAPSHOTS, "s", uid="uid-s"),
        {"status": {"boundVolumeSnapshotContentName": CONTENT.name}},
        CONTENT,
    ),
}


@pytest.mark.parametrize("by", _BY_OWNER)
def test_what_a_row_ends_goes_with_the_owner_of_its_object(by: str) -> None:
    """As by its own deletion: each row is asked about that, once for each object that goes."""
    between, stored, lost = _BY_OWNER[by]
    known = [Dependent(resolved(between.resource), between.namespace, between.name, between.uid, CONFIG_MAPS)]
    ended_by = (resolved(between.resource),)
    placed = [Placed(INGRESS.namespace, INGRESS.name, INGRESS.uid)]

    def decided(**more: Any) -> Any:
        given = {"objects": live(lost), "dependents": known, "of_class": placed, "whole": document(between, **stored)}
        answers = Answers(**(given | more))
        return decide(deletion(OWNER), state(policy(lost.resource, ended_by=ended_by)), answers=answers)

    assert ended(decided()) == [lost.name]
    signed = live(lost, annotations=approved_for(lost))
    assert decided(objects=signed).reason is Reason.APPROVED
    assert decided(unknown=[ReadWhole]).reason is Reason.INTERNAL_ERROR
    assert decided(whole=None).allowed, "what is gone already"
    answers = Answers(dependents=known, unknown=[ReadWhole])
    assert _lost(deletion(OWNER), DEPLOYMENTS, answers) == [], "nobody asks where no policy names what it ends"
    assert decide(deletion(OWNER, PERSON), state(policy(lost.resource, ended_by=ended_by)), answers=answers).allowed


def test_endpoints_that_their_controller_makes_anew_end_nothing() -> None:
    """A Service that nobody protects is deleted as before, and only what is written by hand is followed."""
    between, _, _ = _BY_OWNER["its endpoints"]
    made = document(between, labels=LED["labels"] | WROTE)
    answers = Answers(objects=live(SERVICE), dependents=_owned(between), whole=made)
    assert _lost(deletion(OWNER), SERVICES, answers) == []
    named, alone = PolicyIndex([policy(SERVICES, between.resource)]), PolicyIndex([policy(SERVICES)])
    assert "endpointslice-controller.k8s.io" in alone.followed_labels(between.resource)
    assert named.followed_labels(between.resource) == alone.followed_labels(SERVICES) == ""


BOTH = {NAMESPACES, NODES}


@pytest.mark.parametrize("named", [NODES, PODS])
def test_a_namespace_takes_the_nodes_of_the_machines_in_it(named: GroupResource) -> None:
    """And these the pods on them. Where no policy names what they end, the guard alone asks for its own nodes."""
    pod = target(PODS, "broker", uid="uid-pod")
    placed = [Placed(pod.namespace, pod.name, pod.uid)]
    there = Answers(objects=live(NODE) | live(pod), machines=frozenset({NODE.name}), pods=placed, whole=document(NODE))
    assert _lost(deletion(PLACE), named, there) == [NODE.name if named == NODES else pod.name]
    asked = Answers()
    assert _lost(deletion(PLACE), CONFIG_MAPS, asked) == []
    assert [{alias.of for alias in each.aliases} for each in asked.questions(AliasedBy)] == [{NAMESPACES}, BOTH]


DEFINED = target(DEFINITIONS, "machines.cluster.x-k8s.io", uid="uid-crd")


def test_a_definition_takes_along_what_its_objects_end() -> None:
    """Asked on the definition itself, of agents alone."""
    ended_by = (resolved(MACHINES),)
    named = state(policy(NODES, ended_by=ended_by))
    refused = decide(deletion(DEFINED), named)
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    approved_ = decide(deletion(DEFINED, stored={"annotations": approved_for(DEFINED)}), named)
    assert approved_.reason is Reason.APPROVED
    assert decide(deletion(DEFINED, PERSON), named).allowed
    # Where nothing tells that it is served, the guard's own nodes may still go by it.
    assert decide(deletion(DEFINED), state(policy(NODES))).reason is Reason.PROTECTED_CONFIGURATION
    assert decide(deletion(target(DEFINITIONS, "gears.example.com", uid="u")), named).allowed
    unserved = update(DEFINED, old={"spec": {"versions": [{"served": True}]}}, new={"spec": {"versions": []}})
    assert decide(unserved, named).reason is Reason.APPROVAL_MISSING


def test_a_definition_goes_with_its_owner() -> None:
    """With all objects of its kind, and what these end."""
    owned = [Dependent(resolved(DEFINITIONS), "", DEFINED.name, DEFINED.uid, CONFIG_MAPS)]
    answers = Answers(objects=live(DEFINED), dependents=owned)
    by_end = policy(NODES, ended_by=(resolved(MACHINES),))
    by_name = policy(MACHINES)
    for one in (by_end, by_name):
        assert ended(decide(deletion(OWNER), state(one), answers=answers)) == [DEFINED.name]
        assert decide(deletion(OWNER, PERSON), state(one), answers=answers).allowed
    assert decide(deletion(OWNER), state(policy()), answers=answers).allowed


def test_a_volume_is_attached_by_its_controller_alone() -> None:
    """Whoever has a second attachment, which nobody guards, ends the first one by that."""
    attachment, spec, _ = _BY_OWNER["its attachment"]
    unread = Answers(unknown=[ReadWhole])
    plain: dict[str, Any] = {"spec": {"source": {}}}
    for made in (spec, plain):
        refused = decide(creation(attachment, new=made), state(policy(VOLUMES)), answers=unread)
        assert (refused.allowed, refused.change) == (False, None)
        assert "may be attached by it" in refused.message
        assert decide(creation(attachment, PERSON, new=made), state(policy(VOLUMES)), answers=unread).allowed
        assert decide(creation(attachment, new=made), state(policy(CONFIG_MAPS)), answers=unread).allowed


@pytest.mark.parametrize(
    ("group", "plural", "name"),
    [
        ("snapshot.storage.k8s.io", "volumesnapshotcontents", "snapcontent-0b6e5d9c-1c1f-4d4e-9d3a-6a5f0e7b2c11"),
        (
            "groupsnapshot.storage.k8s.io",
            "volumegroupsnapshotcontents",
            "groupsnapcontent-0b6e5d9c-1c1f-4d4e-9d3a-6a5f0e7b2c11",
        ),
    ],
)
def test_an_agent_takes_no_name_that_a_controller_gives_to_storage(group: str, plural: str, name: str) -> None:
    """Whatever it is of: the controller would wait for that one. Where nobody protects storage it is free."""
    resource = GroupResource(group, plural)
    spec = {"spec": {"source": {}, "deletionPolicy": "Retain"}}
    for taken, allowed in ((name, False), ("mine", True)):
        asked = creation(Target(resource, "K", "", taken, ""), new=spec)
        assert decide(asked, state(policy(resource)), answers=Answers()).allowed is allowed
        assert decide(asked, state(policy(GroupResource("", "secrets"))), answers=Answers()).allowed
        by_person = creation(Target(resource, "K", "", taken, ""), PERSON, new=spec)
        assert decide(by_person, state(policy(resource)), answers=Answers()).allowed


def test_an_owner_of_nothing_that_ends_others_is_deleted_as_before() -> None:
    """One question, whatever the policies are about; and none more for what it owns."""
    everything = policy(NODES, PODS, SERVICES, VOLUMES, CLAIMS)
    plain = target(SECRETS, "s", uid="uid-s")
    for owned in ([], _owned(plain)):
        answers = Answers(dependents=owned)
        assert decide(deletion(OWNER), state(everything), answers=answers).allowed
        assert answers.questions(ReadWhole) == []
        assert len(answers.questions(Dependents)) == 1
