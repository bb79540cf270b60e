"""Approvals on a change request: copied to the object by an operator that was told to, and only those that count."""

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cluster.test_change_requests import refused, refused_to
from tests.support.cluster import Cluster, Result, eventually, sign
from tests.support.operator import operator_with
from tests.support.requests import client

_ROLE = "seconder-approver"
_REFUSED = 45
_WRITERS = 12


@pytest.fixture
def frank(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of frank, who has the role for approvers and nothing else."""
    kubeconfig = tmp_path / "frank.kubeconfig"
    cluster.stack.control_plane.client_kubeconfig("frank@example.com", [], kubeconfig)
    name = f"frank-{cluster.namespace}"
    cluster.admin("create", "clusterrolebinding", name, f"--clusterrole={_ROLE}", "--user=frank@example.com")
    yield kubeconfig
    cluster.admin("delete", "clusterrolebinding", name)


def _approval(cluster: Cluster, **changes: object) -> str:
    return sign(
        cluster.alice.key, cluster.claims(cluster.get("deployment", "checkout"), "deployments", "apps", **changes)
    )


def _on_object(cluster: Cluster) -> dict[str, str]:
    annotations: dict[str, str] = cluster.get("deployment", "checkout")["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key.startswith("approval.seconder.dev/")}


def test_an_approval_on_the_change_request_is_copied_to_the_object(cluster: Cluster, frank: Path) -> None:
    """By an approver who may not touch the object; the agent's command then goes through."""
    cluster.deployment()
    with operator_with(cluster.stack, "--copy-approvals"):
        chg = refused(cluster)
        value = _approval(cluster)
        denied = cluster.kubectl(frank, "annotate", "deployment", "checkout", "-n", cluster.namespace, f"a={value}")
        assert "cannot patch resource" in denied.err
        done = cluster.kubectl(frank, "annotate", "chg", chg, f"approval.seconder.dev/alice={value}")
        assert done.code == 0, done.err
        eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Approved", 5, "approved")
        assert cluster.get("chg", chg)["status"]["acceptsApprovals"] is True
        assert _on_object(cluster) == {"approval.seconder.dev/alice": value}
        assert cluster.delete(cluster.agent).code == 0


def test_what_does_not_count_is_not_copied(cluster: Cluster, frank: Path) -> None:
    """Rubbish, another object's approval, another requester's: the operator lends nobody its rights."""
    cluster.deployment()
    other = cluster.deployment("other")
    with operator_with(cluster.stack, "--copy-approvals"):
        chg = refused(cluster)
        for slug, value in {
            "rubbish": "x" * 100,
            "object": _approval(cluster, detail={"identifier": other, "name": "other"}),
            "requester": _approval(cluster, sub="dana@example.com"),
            "expired": _approval(cluster, iat=1, exp=2),
        }.items():
            assert cluster.kubectl(frank, "annotate", "chg", chg, f"approval.seconder.dev/{slug}={value}").code == 0
        good = _approval(cluster)
        assert cluster.kubectl(frank, "annotate", "chg", chg, f"approval.seconder.dev/alice={good}").code == 0
        eventually(lambda: _on_object(cluster), 5, "the good one is copied")
        assert _on_object(cluster) == {"approval.seconder.dev/alice": good}


def test_no_approval_waits_while_an_agent_writes_on_its_own_change_requests(cluster: Cluster, frank: Path) -> None:
    """An agent is refused very much, and states its reasons anew all the time: a person's turn comes all the same."""
    cluster.policy(f"everyone-{cluster.namespace}", subjects="Everyone")
    cluster.deployment()
    with operator_with(cluster.stack, "--copy-approvals"), _writing_reasons(cluster) as written:
        chg = refused_to(cluster, cluster.human)
        value = _approval(cluster, sub="dana@example.com", act=None)
        assert cluster.kubectl(frank, "annotate", "chg", chg, f"approval.seconder.dev/alice={value}").code == 0
        eventually(lambda: _on_object(cluster), 3, "it is copied")
        assert cluster.delete(cluster.human).code == 0
        before = written[0]
        eventually(lambda: written[0] > before, 5, "the agent still writes")


@contextmanager
def _writing_reasons(cluster: Cluster) -> Iterator[list[int]]:
    """Have an agent refused the end of 45 namespaces of its own, and write its reason on each; counts these."""
    agent = client(cluster.stack.agent_kubeconfig, _WRITERS)
    names = []
    for number in range(_REFUSED):
        name = f"{cluster.namespace[:50]}-{number}"
        assert agent("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).code == 201
        found = re.search(r"chg-\w+", agent("DELETE", f"/api/v1/namespaces/{name}").message)
        assert found
        names.append(found[0])
    eventually(lambda: all(cluster.there("chg", name) for name in names), 20, "all are recorded")
    written, ended = [0], threading.Event()

    def write(own: Sequence[str]) -> None:
        for number, name in enumerate(itertools.cycle(own)):
            reason = {"metadata": {"annotations": {"seconder.dev/reason": f"because of {number}"}}}
            written[0] += agent("PATCH", f"/apis/seconder.dev/v1alpha1/changerequests/{name}", reason).code == 200
            if ended.is_set():
                return

    with ThreadPoolExecutor(_WRITERS) as pool:
        for each in range(_WRITERS):
            pool.submit(write, names[each::_WRITERS])
        try:
            eventually(lambda: written[0] > 2 * _REFUSED, 30, "the agent writes")
            yield written
        finally:
            ended.set()


def test_an_approval_of_a_change_is_copied_if_it_is_of_the_object_as_it_stands(cluster: Cluster, frank: Path) -> None:
    """A person did a part of it meanwhile: the approval of the state that was recorded stays where it is."""
    cluster.deployment()
    with operator_with(cluster.stack, "--copy-approvals"):
        chg, recorded = _change(cluster, revisionHistoryLimit=3, paused=True)
        assert _patch(cluster.human, cluster, revisionHistoryLimit=3).code == 0
        # Another change of the object as it stands tells its digest.
        _, other = _change(cluster, revisionHistoryLimit=4)
        assert other["from"] != recorded["from"]
        stale, good = (
            _approval(cluster, detail={"actions": ["Change"], "change": {"from": state, "to": recorded["to"]}})
            for state in (recorded["from"], other["from"])
        )
        for slug, value in (("stale", stale), ("alice", good)):
            assert cluster.kubectl(frank, "annotate", "chg", chg, f"approval.seconder.dev/{slug}={value}").code == 0
        eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Approved", 5, "approved")
        assert _on_object(cluster) == {"approval.seconder.dev/alice": good}
        assert _patch(cluster.agent, cluster, revisionHistoryLimit=3, paused=True).code == 0


def _patch(who: Callable[..., Result], cluster: Cluster, **spec: object) -> Result:
    patch = json.dumps({"spec": spec})
    return who("patch", "deployment/checkout", f"--namespace={cluster.namespace}", "--type=merge", "--patch", patch)


def _change(cluster: Cluster, **spec: object) -> tuple[str, dict[str, str]]:
    """Have a change by the agent refused; the change request's name, and the change that it records."""
    answer = _patch(cluster.agent, cluster, **spec)
    assert answer.refused, answer
    chg = answer.err.partition("change request: ")[2].partition("\n")[0].strip()
    eventually(lambda: cluster.there("chg", chg), 5, "the change request")
    recorded: dict[str, str] = cluster.get("chg", chg)["spec"]["change"]
    return chg, recorded


def test_without_the_flag_nothing_is_copied_and_the_operator_may_patch_nothing(cluster: Cluster, frank: Path) -> None:
    """Off by default: then approvals on a change request are words."""
    cluster.deployment()
    chg = refused(cluster)
    assert cluster.kubectl(frank, "annotate", "chg", chg, f"approval.seconder.dev/alice={_approval(cluster)}").code == 0
    eventually(lambda: "acceptsApprovals" in cluster.get("chg", chg)["status"], 5, "the operator has looked")
    assert cluster.get("chg", chg)["status"]["acceptsApprovals"] is False
    assert _on_object(cluster) == {}
    rules = json.loads(cluster.admin("get", "clusterrole", "seconder-operator-objects", "-o", "json"))["rules"]
    assert rules
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list"}


@pytest.mark.parametrize(
    ("verb", "what", "may"),
    [
        ("get", "changerequests.seconder.dev", True),
        ("patch", "changerequests.seconder.dev", True),
        ("list", "deployments.apps", True),
        ("list", "approvers.seconder.dev", True),
        ("patch", "changerequests.seconder.dev --subresource=status", False),
        ("delete", "changerequests.seconder.dev", False),
        ("create", "changerequests.seconder.dev", False),
        ("patch", "deployments.apps", False),
        ("patch", "namespaces", False),
        ("patch", "approvers.seconder.dev", False),
        ("patch", "protectionpolicies.seconder.dev", False),
        ("get", "secrets", False),
    ],
)
def test_approvers_may_read_what_is_to_be_decided_and_patch_change_requests(
    cluster: Cluster, frank: Path, verb: str, what: str, may: bool
) -> None:
    """And nothing else, as the API server's own authorizer says."""
    answer = cluster.kubectl(frank, "auth", "can-i", verb, *what.split(), "-n", cluster.namespace)
    assert answer.out.strip() == ("yes" if may else "no")
