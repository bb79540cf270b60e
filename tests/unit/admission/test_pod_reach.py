"""Agents' pods have neither the cluster's own priority nor a hand on their node."""

from typing import Any

import pytest
from tests.support.builders import DEPLOYMENTS, PERSON, connection, creation, live, policy, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.kinds import POD_RUNNERS
from seconder.admission.lookups import RunningPod, Selected
from seconder.admission.policy_index import Installation
from seconder.admission.request import Malformed, Request
from seconder.api.label_selector import selects
from seconder.api.reasons import Reason
from seconder.api.resources import PODS, GroupResource

POD = target(PODS, "p")
VOLUME = target(GroupResource("", "persistentvolumes"), "v", "")
LIFTED = state(installation=Installation(node_pods=True))
RUNS = "agents may not run pods that reach their node's files or processes"


def _pod(**spec: Any) -> Request:
    return creation(POD, new={"spec": spec})


def _held(**security: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "securityContext": security}]}


@pytest.mark.parametrize("name", ["system-cluster-critical", "system-node-critical"])
def test_no_pod_of_an_agents_is_critical(name: str) -> None:
    """In a pod or a template, and where pods may reach nodes. Others, and people's, are."""
    said = "agents may not run pods of the cluster's own priority"
    critical = {"priorityClassName": name}
    template = creation(target(DEPLOYMENTS, "mine"), new={"spec": {"template": {"spec": critical}}})
    for asked in (_pod(**critical), template):
        assert refusal(decide(asked, state())) == said
        assert refusal(decide(asked, LIFTED)) == said
    assert decide(_pod(priorityClassName="high"), state()).allowed
    assert decide(creation(POD, PERSON, new={"spec": critical}), state()).allowed
    assert decide(connection(POD, "exec"), state(), answers=Answers(runs=critical)).allowed


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"hostPID": True, **_held(capabilities={"add": ["SYS_PTRACE"]})}, "hostPID"),
        ({"hostIPC": True}, "hostIPC"),
        ({"volumes": [{"name": "e", "emptyDir": {}}, {"name": "v", "hostPath": {"path": "/"}}]}, "volumes[1]"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/var/lib/kubelet"}}]}, "volumes[0]"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/data/of/my/own"}}]}, "volumes[0]"),
        ({"securityContext": {"windowsOptions": {"hostProcess": True}}}, "securityContext.windowsOptions.hostProcess"),
        (_held(privileged=True), "containers[0].securityContext.privileged"),
        (_held(capabilities={"add": ["SYS_ADMIN"]}), "containers[0].securityContext.capabilities.add"),
        (_held(capabilities={"add": ["CAP_SYS_MODULE"]}), "containers[0].securityContext.capabilities.add"),
        (_held(capabilities={"add": ["ALL"]}), "containers[0].securityContext.capabilities.add"),
        (
            {"hostNetwork": True, **_held(capabilities={"add": ["NET_ADMIN"]})},
            "containers[0].securityContext.capabilities.add",
        ),
        ({"initContainers": _held(privileged=True)["containers"]}, "initContainers[0].securityContext.privileged"),
        (
            {"ephemeralContainers": _held(privileged=True)["containers"]},
            "ephemeralContainers[0].securityContext.privileged",
        ),
    ],
    ids=str,
)
def test_no_pod_of_an_agents_reaches_its_node(spec: dict[str, Any], field: str) -> None:
    """Made, rolled out anew, or entered; unless the installation lets it. It is told which field is meant."""
    runs = f"{RUNS}: {field}"
    assert refusal(decide(_pod(**spec), state())) == runs
    old, new = ({"spec": {"template": {"spec": {**spec, "hostname": name}}}} for name in "ab")
    workload = target(DEPLOYMENTS, "mine")
    assert refusal(decide(update(workload, old=old, new=new), state())) == runs
    assert decide(update(workload, old=old, new={"spec": old["spec"] | {"replicas": 3}}), state()).allowed
    entered = decide(connection(POD, "exec"), state(), answers=Answers(runs=spec))
    assert refusal(entered) == runs.replace("run", "enter", 1)
    assert decide(connection(POD, "portforward"), state(), answers=Answers(runs=spec)).allowed
    assert decide(_pod(**spec), LIFTED).allowed
    assert decide(creation(POD, PERSON, new={"spec": spec}), state()).allowed


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [{"name": "c", "env": [{"name": "A", "value": "b"}]}]},
        {"volumes": [{"name": "t", "hostPath": {"path": "/etc/localtime"}}, {"name": "e", "emptyDir": {}}]},
        {"hostNetwork": True},
        {"securityContext": {"runAsNonRoot": True}, **_held(privileged=False, capabilities={"drop": ["ALL"]})},
        _held(capabilities={"add": ["NET_BIND_SERVICE", "NET_ADMIN", "IPC_LOCK"]}),
        # kubectl debug, by its profile "general".
        {"ephemeralContainers": _held(capabilities={"add": ["SYS_PTRACE"]})["containers"]},
    ],
    ids=str,
)
def test_ordinary_pods_are_free(spec: dict[str, Any]) -> None:
    """Such as agents run all day."""
    assert decide(_pod(**spec), state()).allowed


def test_what_is_not_understood_is_refused() -> None:
    """Of the review, and of a pod that is entered."""
    with pytest.raises(Malformed, match="the pods' specification is not understood"):
        decide(_pod(volumes="all"), state())
    unknown = decide(connection(POD, "exec"), state(), answers=Answers(runs={"volumes": "all"}))
    assert unknown.reason is Reason.INTERNAL_ERROR
    assert (
        decide(connection(POD, "exec"), state(), answers=Answers(unknown=[RunningPod])).reason is Reason.INTERNAL_ERROR
    )


def _keeping_off(**term: Any) -> dict[str, Any]:
    required = [{"labelSelector": {}, "topologyKey": "kubernetes.io/os", **term}]
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def test_no_pod_of_an_agents_keeps_those_of_other_namespaces_off() -> None:
    """Required anti-affinity works both ways. What a person wrote stays, and so does that of the own namespace."""
    said = "agents may not run pods that keep those of other namespaces from being scheduled: required podAntiAffinity"
    deployment = target(DEPLOYMENTS, "mine")
    terms: list[dict[str, Any]] = [{"namespaceSelector": {}}, {"namespaces": ["payments", "seconder-system"]}]
    for term in terms:
        spec = _keeping_off(**term)
        assert refusal(decide(_pod(**spec), state())) == said
        templated = {"spec": {"template": {"spec": spec}}}
        assert refusal(decide(creation(deployment, new=templated), state())) == said
        assert refusal(decide(update(deployment, old={"spec": {}}, new=templated), state())) == said
        rolled_out = {"spec": {"template": {"spec": spec | {"containers": []}}}}
        assert decide(update(deployment, old=templated, new=rolled_out), state()).allowed
        assert decide(creation(POD, PERSON, new={"spec": spec}), state()).allowed
    owns: list[dict[str, Any]] = [{}, {"namespaces": ["payments"]}, {"namespaceSelector": None}]
    for own in owns:
        assert decide(_pod(**_keeping_off(**own)), state()).allowed


@pytest.mark.parametrize("kind", sorted(POD_RUNNERS - {PODS}), ids=str)
def test_whatever_makes_pods_is_asked_about(kind: GroupResource) -> None:
    """Where a policy names it: a CronJob, whose next Job would wait for ever, as well."""
    answers = Answers()
    decide(_pod(**_keeping_off()), state(policy(kind)), answers=answers)
    (asked,) = answers.questions(Selected)
    assert [each.resource for each in asked.kinds] == [kind]


def test_what_keeps_a_protected_workloads_pods_off_counts_as_its_end() -> None:
    """By more than a node. A workload may keep its own pods apart, and no look-up is asked of what has no such term."""
    shop = target(DEPLOYMENTS, "shop", uid="uid-shop")
    answers = Answers(objects=live(shop), selected=[shop])
    one = state(policy(DEPLOYMENTS))
    terms: list[dict[str, Any]] = [{}, {"labelSelector": {"matchLabels": {"app": "shop"}}}]
    for term in terms:
        decided = decide(_pod(**_keeping_off(**term)), one, answers=answers)
        assert [part.effect.target.name for part in decided.parts] == ["shop"]
    everything, labelled = answers.questions(Selected)
    assert selects(everything.selector, {"a": "b"})
    assert selects(everything.selector, {})
    assert selects(labelled.selector, {"app": "shop"})
    assert not selects(labelled.selector, {"app": "mine"})
    templated = {"spec": {"template": {"spec": _keeping_off()}}}
    assert decide(update(shop, old={"spec": {}}, new=templated), one, answers=answers).allowed
    unknown = Answers(unknown=[Selected])
    assert decide(_pod(**_keeping_off()), one, answers=unknown).reason is Reason.INTERNAL_ERROR
    for free in (_keeping_off(topologyKey="kubernetes.io/hostname"), _keeping_off(labelSelector=None), {}):
        assert decide(_pod(**free), one, answers=unknown).allowed
    assert decide(_pod(**_keeping_off()), state(policy(PODS)), answers=unknown).allowed
    odd = _keeping_off(labelSelector={"matchExpressions": [{"key": "a", "operator": "x"}]})
    assert decide(_pod(**odd), one, answers=Answers()).reason is Reason.INTERNAL_ERROR
