"""An agent's custom resource that names something protected needs a peer, whatever program acts on it."""

from typing import Any

import pytest
from tests.support.builders import (
    PERSON,
    approved_for,
    creation,
    deletion,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import ReadObjects
from seconder.api.reasons import Reason
from seconder.api.resources import CONFIG_MAPS, DEPLOYMENTS, SERVICES, GroupResource, ResolvedResource

ROLLOUT = target(GroupResource("argoproj.io", "rollouts"), "mine")
SHOP = target(DEPLOYMENTS, "shop")
REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
MANIFEST = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "namespace": SHOP.namespace}}
THERE = live(SHOP)


@pytest.mark.parametrize(
    "spec",
    [
        {"workloadRef": REFERENCE | {"scaleDown": "onsuccess"}},
        {"workloadRef": {"kind": "Deployment", "name": "shop"}},
        {"scaleTargetRef": {"kind": "deployment", "name": "shop"}},
        {"ref": {"apiVersion": "v1", "kind": "Deployment", "name": "shop"}},
        {"ref": {"apiVersion": "apps", "kind": "Deployment", "name": "shop"}},
        {"ref": {"kind": "Deployment", "names": ["other", "shop"]}},
        {"ref": {"resource": "deployments", "group": "apps", "name": "shop"}},
        {"ref": {"kind": "Deployment.apps", "name": "shop"}},
        {"ref": {"type": "deployment", "name": "shop"}},
        {"targetKind": "Deployment", "targetName": "shop"},
        {"kind": "Deployment", "targets": [{"name": "shop"}]},
        {"kind": "Deployment", "workload": "shop"},
        {"deployments": ["shop"]},
        {"kind": ["Deployment"], "name": "shop"},
        {"deployments": [{"name": "shop"}]},
        {"workloads": {"Deployment": ["shop"]}},
        {"target": "deployment/shop"},
        {"scaleTargetRef": {"deployment": "shop"}},
        {"deploymentName": "shop"},
        {"ref": REFERENCE | {"namespace": ["odd"]}},
        {"targets": [{"a": [{"group": "apps", "kind": "Deployment", "name": "shop", "namespace": SHOP.namespace}]}]},
        {"forProvider": {"manifest": MANIFEST}},
        {"workload": {"manifests": [MANIFEST]}},
    ],
)
def test_who_names_a_protected_workload_needs_a_peer(spec: dict[str, Any]) -> None:
    """By whatever field, made or changed or taken away, at whatever depth."""
    stored = {"spec": spec}
    for asked in (
        creation(ROLLOUT, new=stored),
        update(ROLLOUT, old={"spec": {}}, new=stored),
        update(ROLLOUT, old=stored, new={"spec": {}}),
        update(ROLLOUT, old=stored, new={"spec": spec | {"more": 1}}),
        deletion(ROLLOUT, stored=stored),
    ):
        decided = decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE))
        assert decided.reason is Reason.APPROVAL_MISSING
        assert "some program acts on what this object names" in decided.message
        approved = Answers(objects=live(SHOP, annotations=approved_for(SHOP)))
        assert decide(asked, state(policy(DEPLOYMENTS)), answers=approved).allowed


def test_what_its_program_says_in_a_status_counts_as_well() -> None:
    """An Application of Argo CD deletes with itself what stands there."""
    stored = {
        "spec": {},
        "status": {"resources": [{"group": "apps", "version": "v1", "kind": "Deployment", "name": "shop"}]},
    }
    asked = deletion(target(GroupResource("argoproj.io", "applications"), "mine"), stored=stored)
    assert not decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"workloadRef": REFERENCE | {"namespace": "elsewhere"}},
        {"workloadRef": REFERENCE | {"apiVersion": "example.com/v1"}},
        {"backendRefs": [{"kind": "Service", "name": "shop"}]},
        {"selector": {"kind": "Deployment"}},
        {"labels": {"deployment": "shop"}},
        {"selector": {"matchLabels": {"deployment": "shop"}}},
        {"params": [{"name": "shop", "default": "deploy", "region": "ds"}]},
        {"destinations": [{"namespace": f"n{number}"} for number in range(40)]},
    ],
)
def test_what_names_nothing_protected_is_free(spec: dict[str, Any]) -> None:
    """Nothing is looked up for it."""
    answers = Answers()
    policies = [policy(DEPLOYMENTS, namespaces={SHOP.namespace}), policy(SERVICES, name="services")]
    for asked in (creation(ROLLOUT, new={"spec": spec}), deletion(ROLLOUT, stored={"spec": spec})):
        assert decide(asked, state(*policies), answers=answers).allowed
    assert answers.questions(ReadObjects) == []


def test_labels_and_what_is_gone_and_people_are_free() -> None:
    """Where the object that is named is not there, nothing is lost."""
    stored = {"spec": {"workloadRef": REFERENCE}}
    policies = state(policy(DEPLOYMENTS))
    labelled = update(ROLLOUT, old=stored, new=stored | {"labels": {"a": "b"}})
    assert decide(labelled, policies, answers=Answers(objects=THERE)).allowed
    assert decide(creation(ROLLOUT, new=stored), policies, answers=Answers(objects={})).allowed
    assert decide(creation(ROLLOUT, PERSON, new=stored), policies, answers=Answers(objects=THERE)).allowed


def test_a_whole_manifest_counts_for_whatever_policies_name() -> None:
    """A reference to what is no workload does not: routes name Services all day."""
    config = target(CONFIG_MAPS, "settings")
    resolved = {CONFIG_MAPS: ResolvedResource(CONFIG_MAPS, "v1", namespaced=True, custom=False, kind="ConfigMap")}
    policies = state(policy(CONFIG_MAPS, resolved=resolved))
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    answers = Answers(objects=live(config))
    assert not decide(creation(ROLLOUT, new={"spec": {"manifest": manifest}}), policies, answers=answers).allowed
    reference = {"kind": "ConfigMap", "name": "settings"}
    assert decide(creation(ROLLOUT, new={"spec": {"ref": reference}}), policies, answers=answers).allowed


def test_the_namespace_may_stand_elsewhere_in_the_object() -> None:
    """A field that speaks of namespaces counts for all that says none itself."""
    elsewhere = target(ROLLOUT.resource, "mine", namespace="dev")
    policies = state(policy(DEPLOYMENTS, namespaces={SHOP.namespace}))
    for told in ({"targetNamespace": SHOP.namespace}, {"namespaces": ["x", SHOP.namespace]}):
        asked = creation(elsewhere, new={"spec": {**told, "targetRef": REFERENCE}})
        assert not decide(asked, policies, answers=Answers(objects=THERE)).allowed
    asked = creation(elsewhere, new={"spec": {"targetRef": REFERENCE}})
    assert decide(asked, policies, answers=Answers(objects=THERE)).allowed


def test_who_is_in_no_namespace_says_of_which_it_speaks() -> None:
    """What cannot be told is refused, where policies name such workloads. A placeholder is no name."""
    cleaner = target(GroupResource("example.com", "cleaners"), "mine", namespace="")
    asked = creation(cleaner, new={"spec": {"target": REFERENCE}})
    decided = decide(asked, state(policy(DEPLOYMENTS)), answers=Answers())
    assert (decided.reason, "no namespace" in decided.message) == (Reason.APPROVAL_MISSING, True)
    assert decide(asked, state(policy(CONFIG_MAPS)), answers=Answers()).allowed
    there = REFERENCE | {"namespace": SHOP.namespace}
    asked = creation(cleaner, new={"spec": {"target": there}})
    assert not decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed
    template = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "${schema.spec.name}"}}
    asked = creation(cleaner, new={"spec": {"resources": [{"template": template}]}})
    assert decide(asked, state(policy(DEPLOYMENTS)), answers=Answers()).allowed


def test_very_many_names_cost_no_more_than_a_few() -> None:
    """Of a package with many new objects, none is there; past a bound nobody looks."""
    manifests = [{**MANIFEST, "metadata": {"name": f"n{number}"}} for number in range(40)]
    policies = state(*(policy(DEPLOYMENTS, name=f"p{number}") for number in range(30)))
    answers = Answers(objects={})
    assert decide(creation(ROLLOUT, new={"spec": {"manifests": manifests}}), policies, answers=answers).allowed
    assert len(answers.questions(ReadObjects)) == 1
    references = [{"kind": "Deployment", "name": f"n{number}"} for number in range(40_000)]
    answers = Answers(objects={})
    decided = decide(creation(ROLLOUT, new={"spec": {"many": references}}), policies, answers=answers)
    assert "more objects than can be looked at" in decided.message
    assert answers.questions(ReadObjects) == []


def test_kinds_of_the_table_count_by_what_they_name_besides() -> None:
    """A Canary that says no version of its target, which Flagger never reads."""
    canary = target(GroupResource("flagger.app", "canaries"), "mine")
    for reference in ({"kind": "Deployment", "name": "shop"}, REFERENCE | {"apiVersion": "v1"}):
        asked = creation(canary, new={"spec": {"targetRef": reference}})
        assert not decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed


def test_a_very_deep_object_is_read_to_its_end() -> None:
    """What it names may stand at the bottom."""
    spec: Any = {"workloadRef": REFERENCE}
    for _ in range(900):
        spec = [spec]
    asked = creation(ROLLOUT, new={"spec": {"a": spec}})
    assert not decide(asked, state(policy(DEPLOYMENTS)), answers=Answers(objects=THERE)).allowed
