"""A portal that lies, swaps, replays, or is in somebody else's hands: nothing counts that an approver did not sign."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support import signing
from tests.support.cluster import Cluster, eventually
from tests.support.desk import Desk, need_browser
from tests.support.fido import Passkey, challenge_of
from tests.support.lying import Liar, Lie, lying
from tests.support.operator import operator_with

from localstack import browser as browsers
from localstack.browser import Browser
from localstack.ports import free_ports
from localstack.stack import Stack

_UID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def copying(stack: Stack) -> Iterator[Stack]:
    """The stack with an operator that copies approvals, and a role that the portal reads by."""
    with operator_with(stack, *stack.seconder.flags_for_portal):
        yield stack


@pytest.fixture(scope="module")
def liar(copying: Stack) -> Iterator[tuple[str, Liar]]:
    """Where browsers find a portal that can be made to lie, and the liar."""
    need_browser()
    seconder = copying.seconder
    port = free_ports(1)[0]
    origin = f"http://localhost:{port}"
    seconder.start_portal(f"--origin={origin}")
    try:
        seconder.wait_ready()
        with lying(seconder.portal_address, port) as made:
            yield origin, made
    finally:
        seconder.stop_portal()


@contextmanager
def _carol(cluster: Cluster, liar: tuple[str, Liar], folder: Path) -> Iterator[Desk]:
    """An approver who has enrolled. Afterwards the portal tells the truth, and she is gone."""
    origin, portal = liar
    with browsers.browser() as browser:
        browser.give_passkeys()
        desk = Desk(cluster, origin, browser, folder)
        desk.enroll("carol")
        try:
            yield desk
        finally:
            portal.lie = lambda path, text: text
            desk.leave()


def _change_refused(desk: Desk) -> str:
    """Have the agent try to pause the Deployment; the change request's name."""
    cluster = desk.cluster
    change = ("patch", "deployment", "checkout", f"--namespace={cluster.namespace}", "--type=merge", "--patch")
    return desk.named(cluster.agent(*change, json.dumps({"spec": {"paused": True}})).err)


def _in_facts(change: Any) -> Lie:
    """A lie in what the script is told: ``change`` is done to it."""

    def lie(path: str, text: str) -> str:
        if not path.endswith("/facts"):
            return text
        facts = json.loads(text)
        change(facts)
        return json.dumps(facts)

    return lie


def _in_statement(**changes: Any) -> Lie:
    """A lie in the statement that is to be signed: claims, or, in ``detail``, what is said of the object."""

    def change(facts: dict[str, Any]) -> None:
        claims = json.loads(facts["statement"])
        claims["authorization_details"][0] |= changes.get("detail", {})
        claims |= {name: value for name, value in changes.items() if name != "detail"}
        facts["statement"] = json.dumps(claims)

    return _in_facts(change)


def _in_page(before: str, after: str) -> Lie:
    """A lie in what people see."""
    return lambda path, text: text if path.endswith(("/facts", "/status", ".js")) else text.replace(before, after)


def _settled(browser: Browser) -> bool:
    """Whether the script has compared: it complains, or offers to sign."""
    enabled = "const e = document.querySelector('#approve'); return !!e && !e.disabled"
    return bool(browser.text("#trouble")) or bool(browser.run(enabled))


_LIES: dict[str, Lie] = {
    "statement: another object": _in_statement(detail={"name": "other"}),
    "statement: another uid": _in_statement(detail={"identifier": _UID}),
    "statement: another namespace": _in_statement(detail={"namespace": "kube-system"}),
    "statement: another resource": _in_statement(detail={"resource": "statefulsets"}),
    "statement: another action": _in_statement(detail={"actions": ["Delete", "RemoveFinalizers"]}),
    "statement: another requester": _in_statement(sub="system:serviceaccount:seconder-agents:hal"),
    "statement: another agent": _in_statement(act={"sub": "hal"}),
    "statement: another cluster": _in_statement(aud=f"urn:uuid:{_UID}"),
    "statement: another change request": _in_statement(txn=_UID),
    "statement: a change of which nothing is shown": _in_statement(
        detail={"change": {"from": "0" * 64, "to": "1" * 64}}
    ),
    "statement: an impact of which nothing is shown": _in_statement(
        detail={"impact": {"counts": {}, "sha256": "0" * 64}}
    ),
    "statement: a claim that nobody knows": _in_statement(also="everything"),
    "statement: something of the object that nobody knows": _in_statement(detail={"also": "everything"}),
    "facts: the object is another one": _in_facts(lambda facts: facts["object"].update(uid=_UID)),
    "facts: the object has another name": _in_facts(lambda facts: facts["object"].update(name="other")),
    "facts: another change request": _in_facts(lambda facts: facts.update(request=_UID)),
    "facts: more goes down": _in_facts(lambda facts: facts.update(items=["apps/deployments/other/x"])),
    "facts: another time": _in_facts(lambda facts: facts.update(now=facts["now"] + 3000)),
    "facts: too long a time": _in_facts(lambda facts: facts.update(lifetime=86400)),
    "page: another name": _in_page(">checkout<", ">scratch<"),
    "page: another action": _in_page('data-fact="action">Delete<', 'data-fact="action">ScaleToZero<'),
    "page: another requester": _in_page('data-fact="requester">system', 'data-fact="requester">asystem'),
    "page: a name that only looks the same": _in_page(">checkout<", ">check\u043eut<"),
    "page: said twice": _in_page("</dl>", '<div><dt>Name</dt><dd data-fact="name">checkout</dd></div></dl>'),
}


def test_a_portal_that_lies_gets_no_signature(
    cluster: Cluster, copying: Stack, liar: tuple[str, Liar], tmp_path: Path
) -> None:
    """The script works the statement out by itself: what differs from page or object is said, and not signed."""
    origin, portal = liar
    cluster.deployment()
    with _carol(cluster, liar, tmp_path) as desk:
        browser = desk.browser
        chg = desk.refused()
        desk.sign_in(chg)
        for name, lie in _LIES.items():
            portal.lie = lie
            browser.open(f"{origin}/requests/{chg}")
            browser.until(lambda: _settled(browser), f"{name}: the script has looked")
            assert "Nothing is signed here" in browser.text("#trouble"), name
            assert browser.text("#signing") == "", name
        desk.picture("two-renderings-differ")
        portal.lie = lambda path, text: text
        assert desk.approvals(chg) == {}
        browser.open(f"{origin}/requests/{chg}")
        desk.approve()


def test_a_diff_or_a_list_that_lies_gets_no_signature(
    cluster: Cluster, copying: Stack, liar: tuple[str, Liar], tmp_path: Path
) -> None:
    """What is shown as changed, and as going down, is what the digests in the statement are over."""
    origin, portal = liar
    cluster.deployment()
    cluster.deployment("billing")
    with _carol(cluster, liar, tmp_path) as desk:
        browser = desk.browser
        changed = _change_refused(desk)
        namespace = desk.refused("namespace", cluster.namespace)
        desk.sign_in(changed)
        lies = [
            (changed, _in_page("&#34;paused&#34;: true", "&#34;paused&#34;: false")),
            (changed, _in_page('<span class="added">', '<span class="same"> ')),
            (changed, _in_facts(lambda facts: facts.update(after=facts["after"].replace("true", "false")))),
            (changed, _in_facts(lambda facts: facts.update(before=facts["after"]))),
            (namespace, _in_page("deployments/billing/", "deployments/scratch/")),
            (namespace, _in_facts(lambda facts: facts.update(items=facts["items"][1:]))),
            (namespace, _in_page("2 deployments", "1 deployments")),
        ]
        for number, (chg, lie) in enumerate(lies):
            portal.lie = lie
            browser.open(f"{origin}/requests/{chg}")
            browser.until(lambda: _settled(browser), f"lie {number}: the script has looked")
            assert "Nothing is signed here" in browser.text("#trouble"), number
            assert desk.approvals(chg) == {}


def _of(chg: str, change: Any) -> Lie:
    """A lie in what the script is told of one request of several."""
    lie = _in_facts(change)
    return lambda path, text: lie(path, text) if chg in path else text


def _in_element(chg: str, **detail: Any) -> Lie:
    lie = _in_statement(detail=detail)
    return lambda path, text: lie(path, text) if chg in path else text


def _joined(facts: dict[str, Any], extra: dict[str, Any]) -> None:
    """One more object in one request's part of the statement."""
    claims = json.loads(facts["statement"])
    claims["authorization_details"].append(claims["authorization_details"][0] | extra)
    facts["statement"] = json.dumps(claims)


def _in_claims(chg: str, **claims: Any) -> Lie:
    lie = _in_statement(**claims)
    return lambda path, text: lie(path, text) if chg in path else text


def _in_place(chg: str, before: str, after: str) -> Lie:
    """A lie in the page, in one request's place alone."""

    def lie(path: str, text: str) -> str:
        head, place, rest = text.partition(f'data-request="{chg}"')
        if not path.startswith("/together") or not place:
            return text
        mine, end, others = rest.partition("</section>")
        return head + place + mine.replace(before, after) + end + others

    return lie


def _lies_of_one_of_several(first: str, second: str) -> dict[str, Lie]:
    """Of two requests, the first a change of ``checkout`` and the second the deletion of ``billing``."""
    return {
        "another object": _in_element(second, name="other"),
        "another uid": _in_element(second, identifier=_UID),
        "another namespace": _in_element(second, namespace="kube-system"),
        "another action": _in_element(second, actions=["Delete", "RemoveFinalizers"]),
        "the first one's action": _in_element(first, actions=["Delete"]),
        "a change that is not shown": _in_element(second, change={"from": "0" * 64, "to": "1" * 64}),
        "another change": _in_element(first, change={"from": "0" * 64, "to": "1" * 64}),
        "an impact that is not shown": _in_element(second, impact={"counts": {}, "sha256": "0" * 64}),
        "more of the object": _in_element(second, also="everything"),
        "another requester of one": _in_claims(second, sub="system:serviceaccount:seconder-agents:hal"),
        "another cluster of one": _in_claims(second, aud=f"urn:uuid:{_UID}"),
        "a claim that nobody knows": _in_claims(second, also="everything"),
        "a third object": _of(second, lambda facts: _joined(facts, {"name": "other", "identifier": _UID})),
        "an object twice": _of(second, lambda facts: _joined(facts, {})),
        "another object's facts": _of(second, lambda facts: facts["object"].update(uid=_UID)),
        "another signer": _of(second, lambda facts: facts.update(principal="dana@example.com")),
        "too long a time": _in_facts(lambda facts: facts.update(lifetime=86400)),
        "another time": _of(second, lambda facts: facts.update(now=facts["now"] + 3000)),
        "more goes down": _of(second, lambda facts: facts.update(items=["apps/deployments/other/x"])),
        "another state": _of(first, lambda facts: facts.update(after=facts["before"])),
        "page: another name": _in_place(second, ">billing<", ">scratch<"),
        "page: another action": _in_place(second, ">Delete<", ">ScaleToZero<"),
        "page: said twice": _in_place(second, "</dl>", '<div><dd data-fact="name">billing</dd></div></dl>'),
        "page: another diff": _in_place(first, "&#34;paused&#34;: true", "&#34;paused&#34;: false"),
        "page: a diff of the other": _in_place(second, "</dl>", "</dl><pre data-diff> x</pre>"),
        "page: beside the requests": _in_page("<h1>", '<p data-item="">apps/deployments/x/y</p><h1>'),
        "page: one under the other's name": _in_page(f'data-request="{second}"', f'data-request="{first}"'),
    }


def test_of_several_requests_each_is_compared(
    cluster: Cluster, copying: Stack, liar: tuple[str, Liar], tmp_path: Path
) -> None:
    """A lie about one of those that a signature would be for keeps all of them from being signed."""
    origin, portal = liar
    for name in ("checkout", "billing"):
        cluster.deployment(name)
    with _carol(cluster, liar, tmp_path) as desk:
        browser = desk.browser
        first = _change_refused(desk)
        second = desk.refused(name="billing")
        desk.sign_in(first)
        page = f"{origin}/together?name={first}&name={second}"
        for name, lie in _lies_of_one_of_several(first, second).items():
            portal.lie = lie
            browser.open(page)
            browser.until(lambda: _settled(browser), f"{name}: the script has looked")
            assert "Nothing is signed here" in browser.text("#trouble"), name
            assert browser.text("#signing") == "", name
            time.sleep(0.5)
        portal.lie = lambda path, text: text
        assert desk.approvals(first) == desk.approvals(second) == {}
        browser.open(page)
        browser.type("#reason", "INC-1")
        browser.click("#approve")
        browser.wait_for("Your approval counts for 2 of 2 requests", "#said")


def test_nobody_signs_an_approval_by_signing_in(
    cluster: Cluster, copying: Stack, liar: tuple[str, Liar], tmp_path: Path
) -> None:
    """The script signs in with nothing but a challenge of the portal's form; what it signs so is no approval."""
    origin, portal = liar
    approval = challenge_of(b"{}\n").decode("latin-1")
    with _carol(cluster, liar, tmp_path) as desk:
        browser = desk.browser
        for challenge in (approval, "seconder portal sign-in v1\nhttp://localhost:1\n0\nx"):
            told = json.dumps({"challenge": challenge})
            portal.lie = lambda path, text, told=told: told if path == "/challenge" else text  # type: ignore[misc]
            browser.open(f"{origin}/sign-in")
            browser.click("#sign-in")
            browser.wait_for("asked for something else than signing in", "#trouble")


class _Taken:
    """A portal in somebody else's hands: its credential, and one approval that carol signed on it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.passkey = Passkey("localhost")
        self.kubeconfig = cluster.stack.control_plane.token_kubeconfig(
            "seconder-system", "seconder-portal", 1, folder / "portal.kubeconfig"
        )
        self.desk = Desk(cluster, "http://localhost:1", None, folder)  # type: ignore[arg-type]
        self.desk.register("carol", self.passkey.line)

    def signed(self, name: str = "checkout", **changes: Any) -> str:
        """Carol's approval of a Deployment's deletion, but for the changes."""
        found = self.cluster.get("deployment", name)
        line = signing.line_of(self.cluster.claims(found, "deployments", "apps", iss="carol@example.com", **changes))
        return line + self.passkey.sign(line.encode(), origin="http://localhost:1").rstrip("\n")

    def put(self, chg: str, value: str, slug: str = "carol") -> None:
        """Write a value on a change request with the portal's own rights."""
        done = self.cluster.kubectl(
            self.kubeconfig, "annotate", "chg", chg, "--overwrite", f"approval.seconder.dev/{slug}={value}"
        )
        assert done.code == 0, done.err


@pytest.fixture
def taken(cluster: Cluster, copying: Stack, tmp_path: Path) -> Iterator[_Taken]:
    """The portal's credential in an attacker's hands, and two Deployments that the agent wants to delete."""
    cluster.deployment()
    cluster.deployment("other")
    portal = _Taken(cluster, tmp_path)
    yield portal
    portal.desk.leave()


def test_a_portal_in_other_hands_changes_nothing_that_was_signed(cluster: Cluster, taken: _Taken) -> None:
    """Another object, requester, time, cluster or reason in a signed statement: the signature does not fit."""
    chg = taken.desk.refused()
    other = cluster.get("deployment", "other")["metadata"]["uid"]
    uid = cluster.get("deployment", "checkout")["metadata"]["uid"]
    for_other = taken.desk.refused("deployment", "other")
    value = taken.signed()
    taken.put(for_other, value.replace(uid, other).replace('"name":"checkout"', '"name":"other"'), "swapped")
    taken.put(for_other, value, "same")
    taken.put(chg, value.replace("INC-4821", "INC-4822"), "reason")
    taken.put(chg, taken.signed(sub="dana@example.com"), "requester")
    taken.put(chg, taken.signed(exp=int(time.time()) + 100_000), "forever")
    taken.put(chg, taken.signed(iat=1, exp=2), "old")
    taken.put(chg, taken.signed(aud=f"urn:uuid:{_UID}"), "cluster")
    time.sleep(2)
    assert cluster.delete(cluster.agent).code != 0
    assert cluster.delete(cluster.agent, "deployment", "other").code != 0
    for name in ("checkout", "other"):
        assert "approval.seconder.dev" not in json.dumps(cluster.get("deployment", name)["metadata"])
    taken.put(chg, value)
    eventually(lambda: cluster.delete(cluster.agent).code == 0, 10, "what carol signed counts, and for that alone")
    assert cluster.delete(cluster.agent, "deployment", "other").code != 0


def test_a_portal_in_other_hands_replays_nothing(cluster: Cluster, taken: _Taken) -> None:
    """An approval that was used is good for nothing else: not for the same name made anew."""
    chg = taken.desk.refused()
    value = taken.signed()
    taken.put(chg, value)
    eventually(lambda: cluster.delete(cluster.agent).code == 0, 10, "it is used once")
    cluster.deployment()
    again = taken.desk.refused()
    assert again != chg
    taken.put(again, value)
    time.sleep(2)
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_what_signs_in_approves_nothing(cluster: Cluster, taken: _Taken) -> None:
    """A passkey's answer to the portal's own challenge, below any statement."""
    chg = taken.desk.refused()
    line = signing.line_of(
        cluster.claims(cluster.get("deployment", "checkout"), "deployments", "apps", iss="carol@example.com")
    )
    origin = "http://localhost:1"
    challenge = f"seconder portal sign-in v1\n{origin}\n{int(time.time())}\nAAAAAAAAAAAAAAAAAAAAAA".encode()
    made = taken.passkey.signature(line.encode(), origin=origin, challenge=challenge)
    taken.put(chg, line + signing.armor(signing.sshsig_blob(taken.passkey.blob, made)).rstrip("\n"))
    time.sleep(2)
    assert cluster.delete(cluster.agent).code != 0


@pytest.mark.parametrize(
    ("verb", "what", "may"),
    [
        ("get", "changerequests.seconder.dev", True),
        ("patch", "changerequests.seconder.dev", True),
        ("get", "deployments.apps", True),
        ("patch", "deployments.apps", False),
        ("delete", "deployments.apps", False),
        ("patch", "changerequests.seconder.dev --subresource=status", False),
        ("create", "changerequests.seconder.dev", False),
        ("delete", "changerequests.seconder.dev", False),
        ("create", "approvers.seconder.dev", False),
        ("patch", "approvers.seconder.dev", False),
        ("patch", "protectionpolicies.seconder.dev", False),
        ("get", "secrets", False),
        ("list", "secrets", False),
        ("create", "pods", False),
        ("create", "serviceaccounts --subresource=token", False),
        ("impersonate", "users", False),
        ("patch", "clusterroles.rbac.authorization.k8s.io", False),
    ],
)
def test_a_portal_in_other_hands_may_read_and_annotate_and_no_more(
    cluster: Cluster, taken: _Taken, verb: str, what: str, may: bool
) -> None:
    """As the API server's own authorizer says."""
    answer = cluster.kubectl(taken.kubeconfig, "auth", "can-i", verb, *what.split(), "-n", cluster.namespace)
    assert answer.out.strip() == ("yes" if may else "no")


def test_the_portal_reads_no_secrets_even_where_a_policy_names_them(cluster: Cluster, taken: _Taken) -> None:
    """What is named is added to its role; Secrets are not."""
    cluster.policy("secrets", resources=[{"group": "", "resources": ["secrets", "configmaps"]}])

    def may(what: str) -> str:
        return cluster.kubectl(taken.kubeconfig, "auth", "can-i", "get", what, "-n", cluster.namespace).out.strip()

    eventually(lambda: may("configmaps") == "yes", 15, "its role follows the policies")
    assert may("secrets") == "no"
