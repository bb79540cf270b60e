"""What of a node's labels and taints takes the pods of a protected DaemonSet away."""

from typing import Any

import pytest
from tests.support.builders import PERSON, live, policy, state, target, update
from tests.support.calls import counted
from tests.support.resolving import Answers, decide

from seconder.admission.indirect import daemons
from seconder.admission.indirect.nodes import Taint
from seconder.admission.lookups import DaemonSet, DaemonSets
from seconder.api.reasons import Reason
from seconder.api.resources import DAEMON_SETS, DEPLOYMENTS, NODES, Target

NODE = target(NODES, "n1", namespace="")
DAEMONS = Target(DAEMON_SETS, "DaemonSet", "payments", "cni", "uid-cni")
EDGE = {"nodeSelector": {"role": "edge"}}
TERMS = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": TERMS}}}
OUT = {"key": "example.com/out", "value": "x", "effect": "NoExecute"}


def _goes(pod: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> bool:
    given = Answers(objects=live(DAEMONS), daemon_sets=[DaemonSet(*DAEMONS_AT, pod)])
    decided = decide(update(NODE, old=old, new=new), state(policy(DAEMON_SETS)), answers=given)
    assert [part.effect.target for part in decided.parts] == [DAEMONS] * (not decided.allowed)
    return not decided.allowed


DAEMONS_AT = (DAEMONS.namespace, DAEMONS.name, DAEMONS.uid)


def _labelled(**labels: str) -> dict[str, Any]:
    return {"labels": labels}


def _tainted(*taints: dict[str, str]) -> dict[str, Any]:
    return {"labels": {"role": "edge"}, "spec": {"taints": list(taints)}}


def test_a_node_of_other_labels_loses_the_daemon_sets_that_choose_it_by_them() -> None:
    """By their node selector or their affinity; labels that they do not name are free, and so is what they had not."""
    edge = _labelled(role="edge", zone="a", team="a")
    assert _goes(EDGE, edge, _labelled(zone="a", team="a"))
    assert _goes(EDGE, edge, _labelled(role="core", zone="a", team="a"))
    assert _goes({"affinity": AFFINITY}, edge, _labelled(role="edge", zone="b", team="a"))
    assert not _goes(EDGE, edge, _labelled(role="edge", zone="b", team="b"))
    assert not _goes({"affinity": AFFINITY}, edge, _labelled(role="core", zone="a", team="b"))
    assert not _goes(EDGE, _labelled(role="core"), _labelled(role="other"))
    assert not _goes({}, edge, _labelled())


@pytest.mark.parametrize(
    ("tolerations", "goes"),
    [
        ([], True),
        ([{"operator": "Exists"}], False),
        ([{"key": "example.com/out", "operator": "Exists", "effect": "NoExecute"}], False),
        ([{"key": "example.com/out", "operator": "Equal", "value": "x"}], False),
        ([{"key": "example.com/out", "value": "y"}], True),
        ([{"key": "example.com/out", "operator": "Exists", "effect": "NoSchedule"}], True),
        ([{"key": "other", "operator": "Exists"}], True),
    ],
)
def test_a_taint_takes_those_that_do_not_tolerate_it(tolerations: list[dict[str, str]], goes: bool) -> None:
    """Where it evicts, or takes no new ones; what was there before counts no more."""
    pod = {**EDGE, "tolerations": tolerations}
    assert _goes(pod, _tainted(), _tainted(OUT)) is goes
    assert not _goes(pod, _tainted(OUT), _tainted(OUT))
    assert not _goes(pod, _tainted(), _tainted(OUT | {"effect": "PreferNoSchedule"}))
    for each in tolerations:
        if "effect" in each:
            each["effect"] = {"NoExecute": "NoSchedule", "NoSchedule": "NoExecute"}[each["effect"]]
    assert _goes(pod, _tainted(), _tainted(OUT | {"effect": "NoSchedule"})) is goes


_OWN = "node.kubernetes.io"


@pytest.mark.parametrize(
    ("key", "effect", "goes"),
    [
        *((each, "NoExecute", False) for each in ("not-ready", "unreachable")),
        *((each, "NoSchedule", True) for each in ("not-ready", "unreachable")),
        *((f"{each}-pressure", "NoSchedule", False) for each in ("disk", "memory", "pid")),
        ("unschedulable", "NoSchedule", False),
        ("unschedulable", "NoExecute", True),
    ],
)
def test_what_the_controller_has_all_its_pods_tolerate_takes_none(key: str, effect: str, goes: bool) -> None:
    """A key, and an effect."""
    assert _goes(EDGE, _tainted(), _tainted({"key": f"{_OWN}/{key}", "effect": effect})) is goes


def test_a_node_that_is_made_unschedulable_keeps_them() -> None:
    """They tolerate that, and come anew there."""
    cordoned = {"labels": {"role": "edge"}, "spec": {"unschedulable": True}}
    assert not _goes(EDGE, _tainted(), cordoned)


@pytest.mark.parametrize(
    ("condition", "status", "goes"),
    [
        ("NetworkUnavailable", "True", True),
        ("NetworkUnavailable", "False", False),
        ("Ready", "False", True),
        ("Ready", "Unknown", True),
        ("Ready", "True", False),
        ("DiskPressure", "True", False),
    ],
)
def test_a_condition_by_which_the_node_is_tainted_counts_as_the_taint(condition: str, status: str, goes: bool) -> None:
    """The node lifecycle controller writes that, and takes it away by the condition alone."""

    def told(value: str) -> dict[str, Any]:
        return {"labels": {"role": "edge"}, "status": {"conditions": [{"type": condition, "status": value}]}}

    before = told({"True": "False"}.get(status, "True"))
    assert _goes(EDGE, before, told(status)) is goes
    assert not _goes(EDGE, told(status), told(status) | {"annotations": {"a": "b"}})
    assert not _goes({"tolerations": [{"operator": "Exists"}]}, before, told(status))
    hosted = EDGE | {"hostNetwork": True}
    assert _goes(hosted, before, told(status)) is (goes and condition == "Ready")


def test_nobody_else_is_asked_about() -> None:
    """People label nodes as they like; without a policy on DaemonSets no look-up is made, and what fails denies."""
    unknown = Answers(unknown=[DaemonSets])
    old, new = _labelled(role="edge"), _labelled()
    assert decide(update(NODE, PERSON, old=old, new=new), state(policy(DAEMON_SETS)), answers=unknown).allowed
    assert decide(update(NODE, old=old, new=new), state(policy(DEPLOYMENTS)), answers=unknown).allowed
    refused = decide(update(NODE, old=old, new=new), state(policy(DAEMON_SETS)), answers=unknown)
    assert refused.reason is Reason.INTERNAL_ERROR
    assert decide(update(NODE, old=old, new=old), state(policy(DAEMON_SETS)), answers=unknown).allowed


def test_taints_are_not_compared_each_with_each_toleration() -> None:
    """Nothing bounds either: thousands of both took the webhook minutes."""
    taints = frozenset(Taint(f"t{number}", "", "NoSchedule") for number in range(100))
    some = [{"key": f"k{number}", "operator": "Exists"} for number in range(200)]
    pod = {"tolerations": [*some, {"operator": "Exists"}]}
    goes, calls = counted(lambda: daemons._goes(pod, {}, {}, taints), built_in=True)
    assert not goes
    assert calls.total() < 20 * (len(taints) + len(some))
