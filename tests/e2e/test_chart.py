"""The chart on a real node: what people install, and what happens to it in a year, in some minutes.

The tests build on one another: the release that the first ones install is what the last ones remove.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e import people
from tests.e2e.guarded import VALUES, Installation, until_quiet
from tests.e2e.release import CHART, NAMESPACE, Release, chart_before
from tests.e2e.traffic import PERSON_WORKS
from tests.support import prometheus
from tests.support.cluster import eventually
from tests.support.desk import need_browser
from tests.support.ingress import browser_behind_ingress
from tests.support.stream import Stream

from localstack.pins import Binary
from localstack.scene import Scene
from node.node import Node
from observability import files

_LONGEST_OUTAGE = 30
"""Seconds for which agents may be refused with an error when a replica is lost. People notice nothing."""

_TARGETS = 5


@pytest.fixture(scope="module")
def guarded(node: Node, binaries: dict[Binary, Path], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The chart as it was before its last change, installed as its README says."""
    folder = tmp_path_factory.mktemp("scene")
    scene = Scene(folder, node.control_plane)
    scene.issue()
    scene.admit()
    release = Release(binaries[Binary.HELM], scene.admin_kubeconfig, VALUES)
    release.install(chart_before(tmp_path_factory.mktemp("before")) or CHART)
    scene.register()
    guarded = Installation(node, scene, release)
    guarded.open()
    return guarded


def test_an_upgrade_from_the_chart_before_fails_no_review(guarded: Installation, figures: dict[str, str]) -> None:
    """Agents are refused and people work on, all the while that Helm replaces everything."""
    before = guarded.configuration()
    with _no_failure(guarded, figures, "upgrade from the chart before, and a rollback") as _:
        guarded.admin("apply", "--server-side", "--force-conflicts", f"--filename={CHART / 'crds'}")
        guarded.release.upgrade(webhook={"drainDelay": 6})
        guarded.release.rollback()
        guarded.release.upgrade()
    assert guarded.configuration() == before, "there was a moment without the configuration"


def test_the_whole_story_with_real_pods(guarded: Installation) -> None:
    """Refused, and the pods run on; approved, and they are gone."""
    guarded.running_deployment("old")
    assert guarded.delete(guarded.agent, "deployment", "old").refused_with("ApprovalMissing")
    assert guarded.admin("get", "pods", "--namespace=shop", "--selector=app=old", "--output=name").strip()
    guarded.approve(guarded.alice, name="old")
    assert guarded.delete(guarded.agent, "deployment", "old").code == 0
    left = ("get", "pods", "--namespace=shop", "--selector=app=old", "--output=name")
    eventually(lambda: not guarded.admin(*left).strip(), 30, "the pods are gone")


def test_a_rolling_restart_fails_no_review(guarded: Installation, figures: dict[str, str]) -> None:
    """Each pod goes on answering until no API server calls it any more."""
    with _no_failure(guarded, figures, "rolling restart of the webhook"):
        guarded.admin("rollout", "restart", "deployment/seconder-webhook", f"--namespace={NAMESPACE}")
        guarded.rolled_out("seconder-webhook")


def test_a_killed_replica_never_lets_anything_through(guarded: Installation, figures: dict[str, str]) -> None:
    """SIGKILL: at most the requests under way are refused with an error; people notice nothing."""
    with guarded.traffic() as stream:
        pod = guarded.busiest()
        restarts = guarded.pods("webhook")[pod]
        guarded.signal("webhook", pod, signal.SIGKILL)
        until_quiet(stream, _LONGEST_OUTAGE)
        eventually(lambda: guarded.restarted(pod, restarts), 60, "kubelet has started it anew")
    _agents_alone_were_refused(stream, figures, "one of two replicas killed")


def test_a_frozen_replica_never_lets_anything_through(guarded: Installation, figures: dict[str, str]) -> None:
    """SIGSTOP: the requests that it holds are refused with an error until it is found out; people notice nothing."""
    with guarded.traffic() as stream:
        pod = guarded.busiest()
        restarts = guarded.pods("webhook")[pod]
        guarded.signal("webhook", pod, signal.SIGSTOP)
        seconds = eventually(lambda: pod not in guarded.pods("webhook"), 30, "it is found out")
        until_quiet(stream, _LONGEST_OUTAGE)
        eventually(lambda: guarded.restarted(pod, restarts), 90, "kubelet has started it anew")
    figures["a frozen replica is taken out after"] = f"{seconds:.1f} s"
    _agents_alone_were_refused(stream, figures, "one of two replicas frozen")


def test_a_killed_leading_operator_is_followed_within_15_s(guarded: Installation, figures: dict[str, str]) -> None:
    """SIGKILL: reviews do not need it, and the other one puts right what somebody changes meanwhile."""
    leads = guarded.leader()
    with _no_failure(guarded, figures, "leading operator killed"):
        guarded.signal("operator", leads, signal.SIGKILL)
        guarded.narrow()
        seconds = eventually(lambda: not guarded.narrowed(), 15, "what was changed is put right")
        # The container was started anew, and stands by.
        assert guarded.leader() != leads
        guarded.rolled_out("seconder-operator")
    figures["with the leading operator killed, a change is put right after"] = f"{seconds:.1f} s"


def test_a_restarted_operator_changes_nothing(guarded: Installation, figures: dict[str, str]) -> None:
    """Reviews do not need it; the other one leads soon, and puts back what somebody deletes."""
    old = guarded.leader()
    with _no_failure(guarded, figures, "leading operator restarted"):
        guarded.admin("delete", "pod", old, f"--namespace={NAMESPACE}", "--wait=false")
        seconds = eventually(lambda: guarded.leader() != old, 10, "the other one leads")
        guarded.rolled_out("seconder-operator")
    figures["an operator that ends is followed after"] = f"{seconds:.1f} s"
    before = guarded.configuration()
    guarded.admin("delete", "validatingwebhookconfiguration", "seconder")
    seconds = eventually(lambda: guarded.configuration() not in {"", before}, 10, "it is put back")
    figures["a deleted configuration is back after"] = f"{seconds:.2f} s"
    eventually(lambda: guarded.delete(guarded.agent).refused_with("ApprovalMissing"), 5, "it is in force")


def test_a_rotated_certificate_fails_no_review(guarded: Installation, figures: dict[str, str]) -> None:
    """A new CA, a new certificate, the old CA gone; kubelet brings no files, the webhook watches the Secret."""
    secrets = ("get", "secret", "--namespace", NAMESPACE, "--output=jsonpath={.data}")

    def pair() -> tuple[str, str]:
        return guarded.admin(*secrets, "seconder-ca"), guarded.admin(*secrets, "seconder-webhook-tls")

    def rotated() -> bool:
        authority, serving = pair()
        trusted = json.loads(authority)
        # The bundle holds the new CA alone again.
        return authority != before[0] and serving != before[1] and trusted["ca.crt"] == trusted["tls.crt"]

    before = pair()
    with _no_failure(guarded, figures, "certificate and CA rotated"):
        guarded.admin("annotate", "secret", "seconder-ca", f"--namespace={NAMESPACE}", "seconder.dev/renew=now")
        seconds = eventually(rotated, 90, "CA and certificate are new")
    figures["a rotation of CA and certificate took"] = f"{seconds:.0f} s, with 5 s between its steps"


def test_an_approver_signs_on_the_portal_and_either_of_its_pods_serves_her(
    guarded: Installation, figures: dict[str, str], tmp_path: Path
) -> None:
    """Installed by the chart, behind what ends TLS; the approval counts, and the chart takes the portal away again."""
    need_browser()
    portal = {"enabled": True, "origin": people.ORIGIN, "replicas": 2, "ingress": {"enabled": True}}
    guarded.release.upgrade(portal=portal, operator={**VALUES["operator"], "copyApprovals": True})
    guarded.running_deployment("reviewed")
    chg = people.refused(guarded, "reviewed")
    pods = guarded.pods("portal")
    assert len(pods) == 2
    with browser_behind_ingress(people.HOST, people.service(guarded), tmp_path) as browser:
        browser.give_passkeys()
        people.enrolled(guarded, browser, chg)
        cookies = {each["name"]: each["value"] for each in browser.tell("Network.getCookies")["cookies"]}
        assert list(cookies) == ["__Host-seconder"]
        for pod in pods:
            assert "Signed in as <b>carol@example.com</b>" in people.shown_by(guarded, pod, chg, cookies)
        browser.type("#reason", "INC-4821 decommission")
        browser.click("#approve")
        seconds = browser.wait_for("Your approval counts: 1/1 approved", "#said", 30)
    figures["an approval on the portal counted after"] = f"{seconds:.1f} s"
    assert guarded.delete(guarded.agent, "deployment", "reviewed").code == 0
    accounts = guarded.admin(
        "get", "pods", f"--namespace={NAMESPACE}", "-lapp.kubernetes.io/component=portal", "-ojsonpath={.items[*].spec}"
    )
    assert accounts.count('"serviceAccountName":"seconder-portal"') == 2
    assert guarded.pods("portal") == dict.fromkeys(pods, 0), "none was restarted"
    for kind in ("networkpolicy", "poddisruptionbudget", "ingress", "serviceaccount"):
        assert guarded.objects.find(kind, "seconder-portal", NAMESPACE), kind
    guarded.release.upgrade()
    eventually(lambda: not guarded.pods("portal"), 60, "the portal is gone")


def test_prometheus_tells_what_happens_to_the_pods(
    guarded: Installation, figures: dict[str, str], tmp_path: Path
) -> None:
    """All are scraped. Cut off from the API server, webhooks say that their view is old; gone, they are missed."""
    targets = tmp_path / "targets.json"

    def find() -> None:
        # As discovery in a cluster does; not every build of Prometheus has it.
        pods = [*guarded.pods("webhook"), *guarded.pods("operator")]
        targets.write_text(json.dumps([{"targets": [guarded.metrics_address(pod) for pod in pods]}]))

    find()
    seconder = {"job_name": "seconder", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}]}
    jobs = [seconder, prometheus.api_server(guarded.scene.admin_kubeconfig, tmp_path)]
    with prometheus.running(tmp_path, jobs, rules=files.rules(1 / 60)) as watched:
        eventually(lambda: len(watched.query("up == 1")) == _TARGETS, 30, "two webhooks, two operators, API server")

        def blocked_and_told() -> bool:
            # Asked anew each time: a pod of before an upgrade answers until it has drained, and is not scraped.
            assert guarded.delete(guarded.agent).refused_with("ApprovalMissing")
            return bool(watched.query("sum(seconder_blocked_actions_total)"))

        eventually(blocked_and_told, 30, "what was blocked is told")
        assert not watched.unhealthy()
        assert len(watched.query('seconder_build_info{revision!=""}')) == _TARGETS - 1
        # Hung, not stopped: kube-proxy takes minutes to hear of an API server that went and came.
        api_server = guarded.node.control_plane.pid_of(Binary.APISERVER)
        os.kill(api_server, signal.SIGSTOP)
        try:
            seconds = eventually(lambda: "SeconderViewStale" in watched.firing(), 100, "it fires")
        finally:
            os.kill(api_server, signal.SIGCONT)
        eventually(lambda: "SeconderViewStale" not in watched.firing(), 60, "it is over")
        webhook = ("deployment/seconder-webhook", f"--namespace={NAMESPACE}")
        guarded.admin("scale", *webhook, "--replicas=0")
        eventually(lambda: "SeconderDown" in watched.firing(), 60, "it fires")
        assert "failed calling webhook" in guarded.delete(guarded.agent).err
        guarded.admin("scale", *webhook, "--replicas=2")
        guarded.rolled_out("seconder-webhook")
        find()
        eventually(lambda: "SeconderDown" not in watched.firing(), 60, "it is over")
    figures["webhooks without an API server raise an alert after"] = f"{seconds:.0f} s, its wait 1 s instead of 60"


def test_an_uninstall_leaves_nothing_that_blocks(guarded: Installation, figures: dict[str, str]) -> None:
    """With the operator alive: its configuration goes, people notice nothing, and what people made stays."""
    with guarded.traffic() as stream:
        guarded.release.uninstall()
        seconds = eventually(lambda: not guarded.configuration(), 30, "the configuration is gone")
    figures["an uninstall leaves the configuration for"] = f"{seconds:.1f} s"
    assert not stream.troubles(PERSON_WORKS)
    # Not by an operator on its way out, either.
    eventually(lambda: not guarded.admin("get", "pods", f"--namespace={NAMESPACE}", "-o=name"), 60, "its pods are gone")
    assert not guarded.configuration()
    guarded.running_deployment("unguarded")
    assert guarded.delete(guarded.agent, "deployment", "unguarded").code == 0
    assert guarded.there("crd", "approvers.seconder.dev")
    assert guarded.there("approver", "alice")


def test_an_uninstall_with_a_dead_operator_leaves_nothing_that_blocks(guarded: Installation) -> None:
    """Installed anew, it guards as before; then the operator hangs, and Helm is asked to remove everything."""
    guarded.release.install()
    guarded.running_deployment("checkout-again")
    again = ("deployment", "checkout-again")
    eventually(lambda: guarded.delete(guarded.agent, *again).refused_with("ApprovalMissing"), 10, "it guards again")
    for operator in guarded.pods("operator"):
        guarded.signal("operator", operator, signal.SIGSTOP)
    guarded.release.uninstall()
    eventually(lambda: not guarded.configuration(), 30, "the configuration is gone")
    assert guarded.delete(guarded.agent, *again).code == 0


@contextmanager
def _no_failure(guarded: Installation, figures: dict[str, str], what: str) -> Iterator[None]:
    """Have traffic during the body, none of which may go wrong in any way."""
    before = guarded.failed_reviews()
    with guarded.traffic() as stream:
        yield
    failed = guarded.failed_reviews() - before
    figures[what] = f"{len(stream.answers())} requests, {len(stream.troubles())} went wrong, {failed} reviews failed"
    assert stream.troubles() == []
    assert failed == 0


def _agents_alone_were_refused(stream: Stream, figures: dict[str, str], what: str) -> None:
    """Nobody but agents noticed, and they were refused for want of an answer."""
    troubles = stream.troubles()
    spell = max((each.at + each.seconds for each in troubles), default=0.0) - min(
        (each.at for each in troubles), default=0.0
    )
    slowest = max(each.seconds for each in stream.answers())
    figures[what] = (
        f"{len(stream.answers())} requests, {len(troubles)} of agents refused with an error, within {spell:.1f} s; "
        f"the slowest answer took {slowest:.1f} s"
    )
    assert not stream.troubles(PERSON_WORKS)
    assert all("failed calling webhook" in each.trouble for each in troubles), troubles
    assert spell < _LONGEST_OUTAGE
