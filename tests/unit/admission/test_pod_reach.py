"""Agents' pods have neither the cluster's own priority nor a hand on their node."""

from typing import Any

import pytest
from tests.support.builders import DEPLOYMENTS, PERSON, connection, creation, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.lookups import RunningPod
from seconder.admission.policy_index import Installation
from seconder.admission.request import Malformed, Request
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
