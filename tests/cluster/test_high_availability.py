"""Two operators: one leads and writes, the other takes its place. What was written by whom, the audit log tells."""

import functools
import itertools
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.traffic import traffic
from tests.support.cluster import Cluster, eventually
from tests.support.operator import Operator, Written, leader, operators

_CONFIGURATION = ("validatingwebhookconfiguration", "seconder")
_LEASE = ("lease", "seconder-operator", "seconder-system")
_LEASE_SECONDS = 10


@pytest.fixture
def pair(cluster: Cluster, tmp_path: Path) -> Iterator[list[Operator]]:
    """Two operators in place of the stack's."""
    with operators(cluster.stack, tmp_path) as running:
        yield running


@pytest.fixture
def written(cluster: Cluster, pair: list[Operator]) -> Iterator[Written]:
    """What they write. Whatever the test does, none may write while another leads."""
    assert pair
    found = Written(cluster.stack.control_plane.audit_log)
    yield found
    assert found.by_another_than_the_leader() == []


@contextmanager
def _work(cluster: Cluster) -> Iterator[None]:
    """Give the leader something to write all the time: a policy that names something else each time."""
    resources = itertools.cycle(["statefulsets", "daemonsets", "deployments"])
    stopping = threading.Event()

    def change() -> None:
        while not stopping.wait(0.03):
            cluster.objects.apply(
                {
                    "apiVersion": "seconder.dev/v1alpha1",
                    "kind": "ProtectionPolicy",
                    "metadata": {"name": "busy"},
                    "spec": {
                        "resources": [{"group": "apps", "resources": [next(resources)]}],
                        "namespaces": [cluster.namespace],
                    },
                }
            )

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def test_one_leads_and_the_other_stands_by_ready(cluster: Cluster, pair: list[Operator], written: Written) -> None:
    """The Lease says which one; the other tells nothing of what a leader counts; a repair takes a second, as ever."""
    leads = leader(pair)
    (other,) = [each for each in pair if each is not leads]
    assert cluster.get(*_LEASE)["spec"]["holderIdentity"] == leads.identity
    assert "seconder_policy_in_force" in leads.metrics()
    assert "seconder_leader 0.0" in other.metrics()
    assert "seconder_policy_in_force" not in other.metrics()
    assert (leads.ready(), other.ready()) == ("ok", "ok")
    cluster.admin("delete", *_CONFIGURATION)
    eventually(lambda: cluster.there(*_CONFIGURATION), 1.5, "the configuration is back")
    eventually(lambda: written.writers() == {leads.identity}, 5, "one alone has written")


def test_after_a_killed_leader_the_other_repairs_within_15_s_and_no_answer_is_wrong(
    cluster: Cluster, pair: list[Operator], written: Written
) -> None:
    """SIGKILL, as a node dies, under requests of agents and people; somebody changes the configuration meanwhile."""
    cluster.deployment()
    leads = leader(pair)
    (other,) = [each for each in pair if each is not leads]
    scene = cluster.scene
    with traffic(scene.agent_kubeconfig, scene.human_kubeconfig, cluster.namespace, "checkout") as stream:
        leads.signal(signal.SIGKILL)
        cluster.narrow()
        eventually(lambda: not cluster.narrowed(), 15, "it is repaired")
        eventually(lambda: other.leads, 1, "the other one leads")
        answered = len(stream.answers())
        eventually(lambda: len(stream.answers()) > answered + 20, 10, "the traffic goes on")
    assert stream.troubles() == []
    eventually(lambda: other.identity in written.writers(), 5, "the audit log tells who repaired")
    eventually(lambda: other.ready() == "ok", 5, "it is ready")


def test_a_leader_that_ends_is_followed_within_two_seconds(
    cluster: Cluster, pair: list[Operator], written: Written
) -> None:
    """SIGTERM, as in a rollout, amid its work."""
    leads = leader(pair)
    (other,) = [each for each in pair if each is not leads]
    with _work(cluster):
        eventually(lambda: len(written.events()) > 5, 10, "it is at work")
        leads.signal(signal.SIGTERM)
        took = eventually(lambda: other.leads, 10, "the other one leads")
        assert leads.exit_code(10) == 0
    assert took < 2
    cluster.narrow()
    eventually(lambda: not cluster.narrowed(), 2, "it repairs")


@pytest.mark.parametrize("again", [1, 2])
def test_a_leader_that_slept_writes_nothing_when_it_wakes(
    cluster: Cluster, pair: list[Operator], written: Written, again: int
) -> None:
    """SIGSTOP amid its work, and SIGCONT when the other has led for a while: it stands by then."""
    asleep = leader(pair)
    (other,) = [each for each in pair if each is not asleep]
    with _work(cluster):
        eventually(lambda: len(written.events()) > 5 * again, 10, "it is at work")
        asleep.signal(signal.SIGSTOP)
        eventually(lambda: other.leads, _LEASE_SECONDS + 5, "the other one leads")
        eventually(lambda: other.identity in written.writers(), 5, "it is at work")
        asleep.signal(signal.SIGCONT)
        eventually(lambda: "seconder_leader 0.0" in asleep.metrics(), 5, "the first one stands by")
        before = len(written.events())
        eventually(lambda: len(written.events()) > before + 5, 10, "work goes on")
    eventually(lambda: asleep.ready() == "ok", 5, "it is ready to follow")
    other.signal(signal.SIGTERM)
    eventually(lambda: asleep.leads, 5, "it leads again, in a term of its own")
    eventually(lambda: asleep.ready() == "ok", 10, "it does its work")


def test_without_the_api_server_for_longer_than_a_lease_one_leads_again(
    cluster: Cluster, pair: list[Operator], written: Written
) -> None:
    """Neither leads meanwhile, and both say so; when it is back, one does."""
    plane = cluster.stack.control_plane
    plane.stop_apiserver()
    try:
        eventually(lambda: not any(each.leads for each in pair), _LEASE_SECONDS, "nobody leads")
        eventually(
            lambda: all("no operator leads: " in each.ready() for each in pair), _LEASE_SECONDS + 5, "they say so"
        )
    finally:
        plane.restart_apiserver()
    leads = leader(pair, 10)
    eventually(lambda: leads.ready() == "ok", 10, "it does its work")
    written = Written(cluster.stack.control_plane.audit_log)
    cluster.narrow()
    eventually(lambda: not cluster.narrowed(), 3, "it repairs")
    assert written.writers() == {leads.identity}
    cluster.wait_for_records()


def test_an_agent_neither_takes_nor_removes_the_lease(cluster: Cluster, pair: list[Operator]) -> None:
    """Whoever had it would keep the operator from leading."""
    leads = leader(pair)
    place = "--namespace=seconder-system"
    taken = cluster.agent("patch", *_LEASE[:2], place, "--type=merge", '--patch={"spec":{"holderIdentity":"kiro"}}')
    assert taken.refused_with("ProtectedConfiguration"), taken
    assert cluster.agent("delete", *_LEASE[:2], place).refused_with("ProtectedConfiguration")
    assert leads.leads


def test_a_lease_that_a_person_takes_or_removes_is_soon_an_operators_again(
    cluster: Cluster, pair: list[Operator], written: Written
) -> None:
    """The one that led stops at once, rather than write beside somebody."""
    place = "--namespace=seconder-system"
    cluster.admin("patch", *_LEASE[:2], place, "--type=merge", '--patch={"spec":{"holderIdentity":"dana"}}')
    eventually(lambda: not any(each.leads for each in pair), 2, "nobody leads")
    eventually(lambda: any(each.leads for each in pair), _LEASE_SECONDS + 3, "one leads")
    cluster.admin("delete", *_LEASE[:2], place)
    eventually(lambda: cluster.objects.find(*_LEASE) is not None, 5, "the Lease is there again")
    leads = leader(pair)
    eventually(functools.partial(_holds, cluster, leads), 5, "one leads")
    assert written.writers() <= {each.identity for each in pair}


def test_nobody_leads_beside_one_that_sleeps_by_a_lease_that_was_deleted(
    cluster: Cluster, pair: list[Operator], written: Written, tmp_path: Path
) -> None:
    """Neither who stood by nor who has just started. When it wakes within its term, it leads on."""
    asleep = leader(pair)
    others = [each for each in pair if each is not asleep]
    with _work(cluster):
        _put_to_sleep_without_its_lease(cluster, asleep)
        eventually(lambda: cluster.objects.find(*_LEASE), 4, "the Lease is there again")
        assert not others[0].leads
        asleep.signal(signal.SIGCONT)
        eventually(functools.partial(_holds, cluster, asleep), 5, "it leads on")
        assert written.writers() <= {asleep.identity}
        _put_to_sleep_without_its_lease(cluster, asleep)
        stopped = time.monotonic()
        others.append(newcomer := Operator(cluster.stack, tmp_path, "newcomer"))
        try:
            # For as long as its term may last.
            while time.monotonic() - stopped < _LEASE_SECONDS - 2:
                assert not any(each.leads for each in others)
            asleep.signal(signal.SIGCONT)
            eventually(lambda: newcomer.ready() == "ok", 20, "the newcomer stands by, or leads")
        finally:
            newcomer.stop()


def _put_to_sleep_without_its_lease(cluster: Cluster, operator: Operator) -> None:
    operator.signal(signal.SIGSTOP)
    cluster.admin("delete", *_LEASE[:2], "--namespace=seconder-system")


def _holds(cluster: Cluster, operator: Operator) -> bool:
    return bool(cluster.get(*_LEASE)["spec"]["holderIdentity"] == operator.identity)
