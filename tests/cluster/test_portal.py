"""The portal in a real browser, with a passkey in software: from the link to an approval that counts."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.cluster import Cluster, eventually
from tests.support.desk import Desk, need_browser
from tests.support.operator import operator_with

from localstack import browser as browsers
from localstack.browser import Browser
from localstack.pins import Binary
from localstack.stack import Stack

_TAB, _ENTER = "\ue004", "\ue007"


@pytest.fixture(scope="module")
def origin(stack: Stack) -> Iterator[str]:
    """The portal beside the shared stack, and an operator that copies approvals; without a browser nothing is run."""
    need_browser()
    with operator_with(stack, *stack.seconder.flags_for_portal):
        stack.seconder.start_portal()
        try:
            stack.seconder.wait_ready()
            yield stack.seconder.portal_origin
        finally:
            stack.seconder.stop_portal()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A window with a passkey's authenticator."""
    with browsers.browser() as opened:
        opened.give_passkeys()
        yield opened


@pytest.fixture
def desk(cluster: Cluster, origin: str, browser: Browser, tmp_path: Path) -> Iterator[Desk]:
    """Carol at her desk: enrolled, registered, and not signed in yet."""
    seated = Desk(cluster, origin, browser, tmp_path)
    seated.enroll("carol")
    yield seated
    seated.leave()


def test_a_first_time_approver_gets_from_the_link_to_an_approval_that_counts(
    cluster: Cluster, origin: str, tmp_path: Path
) -> None:
    """On a phone's screen, with nothing but the link of a message; what is shown fits, and comes from one place."""
    cluster.deployment()
    with browsers.browser(width=390, height=844) as phone:
        phone.tell("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        phone.give_passkeys()
        desk = Desk(cluster, origin, phone, tmp_path)
        chg = desk.refused()
        phone.open(f"{origin}/requests/{chg}")
        desk.picture("1-link")
        phone.click("#enroll")
        phone.type("#principal", "carol@example.com")
        phone.click("form button")
        phone.wait_for("Your passkey is made")
        desk.picture("2-enrolled")
        line = phone.run("return document.querySelector('#line').value")
        phone.click("#then")
        phone.click("#sign-in")
        phone.wait_for("is not registered yet", "#trouble")
        # Phones drop pages: the link leads to the line again.
        phone.open(f"{origin}/requests/{chg}")
        phone.click("#enroll")
        phone.until(
            lambda: phone.run("return document.querySelector('#line').value") == line, "the line is shown again"
        )
        desk.register("carol", line)
        phone.click("#then")
        phone.click("#sign-in")
        phone.wait_for("What your passkey signs")
        desk.picture("3-request")
        phone.click("#approve")
        phone.wait_for("Give a reason first", "#trouble")
        assert _in_sight(phone, "#trouble")
        assert _in_sight(phone, "#reason")
        phone.type("#reason", "INC-4821 decommission")
        phone.click("#approve")
        phone.wait_for("Your approval counts: 1/1 approved. Whoever asked can go on.", "#said")
        assert _in_sight(phone, "#said")
        desk.picture("4-approved")
        asked = phone.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert asked
        assert [url for url in asked if not url.startswith(f"{origin}/")] == []
        assert [said for said in phone.complaints() if "Content Security Policy" in said] == []
        desk.leave()
        # The Approver is gone by now, and the approval with it; registered again it counts again.
        assert cluster.delete(cluster.agent).refused_with("ApproverUnknown")
        desk.register("carol", desk.line)
        eventually(lambda: cluster.delete(cluster.agent).code == 0, 10, "the agent's command goes through")
        desk.leave()


def test_a_namespace_is_shown_with_all_that_goes_down_and_the_script_hashes_that(desk: Desk) -> None:
    """The digest that is signed is over the very list on the page."""
    cluster, browser = desk.cluster, desk.browser
    for name in ("checkout", "billing"):
        cluster.deployment(name)
    chg = desk.refused("namespace", cluster.namespace)
    desk.sign_in(chg)
    assert "2 deployments" in browser.text("#signed")
    assert "apps/deployments/billing/" in browser.text(".items")
    desk.picture("namespace")
    desk.approve()
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).code == 0


def test_what_else_goes_down_by_now_is_what_is_signed(desk: Desk) -> None:
    """Not what was recorded when it was refused; and what comes after the page was read is refused at the end."""
    cluster = desk.cluster
    cluster.deployment()
    chg = desk.refused("namespace", cluster.namespace)
    cluster.deployment("second")
    desk.sign_in(chg)
    assert "2 deployments" in desk.browser.text("#signed")
    cluster.deployment("third")
    desk.browser.type("#reason", "INC-1")
    desk.browser.click("#approve")
    desk.browser.wait_for("ImpactChanged", "#trouble")
    assert desk.approvals(chg) == {}


def test_a_change_is_shown_as_a_diff_and_signed(desk: Desk) -> None:
    """The script applies the diff that is shown to the state that is signed for."""
    cluster, browser = desk.cluster, desk.browser
    cluster.deployment(annotations={"note": "caf\u00e9 \u202e \U0001f600"})
    change = ("patch", "deployment", "checkout", f"--namespace={cluster.namespace}", "--type=merge", "--patch")
    wanted = json.dumps({"spec": {"paused": True, "progressDeadlineSeconds": 700}})
    chg = desk.named(cluster.agent(*change, wanted).err)
    desk.sign_in(chg)
    added = browser.run("return [...document.querySelectorAll('#diff .added')].map((line) => line.textContent.trim())")
    assert added == ['+    "paused": true,']
    desk.picture("change")
    desk.approve()
    assert cluster.agent(*change, wanted).code == 0


def test_sixteen_requests_are_approved_by_one_signature(desk: Desk) -> None:
    """Chosen in the list, shown on one page with what is changed, and each counts for its own object."""
    cluster, browser = desk.cluster, desk.browser
    names = [f"shop-{number}" for number in range(15)]
    for name in ("checkout", *names):
        cluster.deployment(name)
    change = ("patch", "deployment", "checkout", f"--namespace={cluster.namespace}", "--type=merge", "--patch")
    wanted = json.dumps({"spec": {"paused": True}})
    requests = [desk.named(cluster.agent(*change, wanted).err), *(desk.refused(name=name) for name in names)]
    desk.sign_in(requests[0])
    browser.open(desk.origin)
    browser.click("#together")
    browser.wait_for("Choose two requests or more first", "#trouble")
    for chg in requests:
        browser.click(f"input[value={chg}]")
    browser.click("#together")
    browser.wait_for("What your passkey signs")
    browser.until(lambda: not browser.run("return document.querySelector('#approve').disabled"), "it can be approved")
    assert browser.run("return document.querySelectorAll('section[data-request]').length") == 16
    assert "16 of 16" in browser.text("#signed")
    assert '"paused": true' in browser.text("[data-diff] .added")
    desk.picture("together")
    browser.type("#reason", "INC-4821 decommission")
    browser.click("#approve")
    browser.wait_for("Your approval counts for 16 of 16 requests", "#said", 60)
    values = {value for chg in requests for value in desk.approvals(chg).values()}
    assert len(values) == 1
    assert cluster.agent(*change, wanted).code == 0
    for name in names:
        assert cluster.delete(cluster.agent, "deployment", name).code == 0


def test_a_no_is_said_with_its_reason_and_taken_back(desk: Desk) -> None:
    """The agent reads it; taken back, it waits again."""
    cluster, browser = desk.cluster, desk.browser
    cluster.deployment()
    chg = desk.refused()
    desk.sign_in(chg)
    browser.click("#deny")
    browser.wait_for("Say why not first", "#trouble")
    browser.type("#why", "not on a Friday")
    browser.click("#deny")
    browser.wait_for("Your no stands on it", "#said")
    desk.picture("denied")
    assert "not on a Friday" in cluster.delete(cluster.agent).err
    browser.click("#take-back")
    browser.wait_for("Your no is taken back", "#said")
    assert cluster.get("chg", chg)["status"]["phase"] == "Pending"


def test_what_is_over_is_shown_and_not_offered(desk: Desk) -> None:
    """Used, or expired, or gone: there is nothing left to sign."""
    cluster, browser = desk.cluster, desk.browser
    cluster.deployment()
    chg = desk.refused()
    desk.sign_in(chg)
    cluster.admin("delete", "deployment", "checkout", f"--namespace={cluster.namespace}")
    browser.open(f"{desk.origin}/requests/{chg}")
    browser.wait_for("is gone")
    assert browser.text("#approve") == ""
    eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Withdrawn", 10, "it is withdrawn")
    browser.open(f"{desk.origin}/requests/{chg}")
    assert "It is over (Withdrawn" in browser.text("#problem")
    patch = json.dumps({"status": {"phase": "Expired", "message": "nobody approved it in time"}})
    cluster.admin("patch", "chg", chg, "--subresource=status", "--type=merge", "--patch", patch)
    browser.open(f"{desk.origin}/requests/{chg}")
    desk.picture("expired")
    assert "It is over (Expired: nobody approved it in time)" in browser.text("#problem")
    browser.open(desk.origin)
    assert "checkout" not in browser.text("main")


def test_a_revoked_key_ends_the_session_and_signs_nothing(desk: Desk) -> None:
    """Also in a page that was open before."""
    desk.cluster.deployment()
    chg = desk.refused()
    desk.sign_in(chg)
    desk.leave()
    time.sleep(0.5)
    desk.browser.type("#reason", "INC-1")
    desk.browser.click("#approve")
    desk.browser.wait_for("not signed in any more", "#trouble")
    desk.picture("revoked")
    assert desk.approvals(chg) == {}
    desk.browser.open(f"{desk.origin}/requests/{chg}")
    desk.browser.click("#sign-in")
    desk.browser.wait_for("is not registered yet", "#trouble")


def test_a_link_in_a_message_asks_nobody_to_sign_in_again(desk: Desk) -> None:
    """From another site, where a browser keeps the cookie back at first."""
    desk.cluster.deployment()
    chg = desk.refused()
    desk.sign_in(chg)
    desk.browser.open(f"data:text/html,<a id=link href={desk.origin}/requests/{chg}>link</a>")
    desk.browser.click("#link")
    desk.browser.wait_for("Signed in as carol@example.com")
    desk.browser.wait_for("What your passkey signs")


def test_under_another_name_no_passkey_is_asked(desk: Desk) -> None:
    """The portal says where it is."""
    other = desk.origin.replace("localhost", "127.0.0.1")
    desk.browser.open(f"{other}/sign-in")
    assert desk.browser.text().strip() == f"This portal is at {desk.origin}. Open it there."
    desk.picture("another-name")


def test_a_passkey_of_another_page_does_not_sign_here(desk: Desk) -> None:
    """The browser itself refuses another page's rpId, and the page says so."""
    desk.browser.open(f"{desk.origin}/sign-in")
    desk.browser.run("document.body.dataset.host = 'approve.example.com'")
    desk.browser.click("#sign-in")
    desk.browser.wait_for("The browser allows no passkeys on this page", "#trouble")


def test_without_a_passkey_people_are_told_what_to_do(cluster: Cluster, origin: str) -> None:
    """An authenticator that has none for this page, one that nobody consents with, and a browser that knows none."""
    with browsers.browser() as opened:
        empty = opened.give_passkeys()
        opened.open(f"{origin}/sign-in")
        opened.click("#sign-in")
        opened.wait_for("No passkey was used", "#trouble")
        opened.take_passkeys(empty)
        opened.give_passkeys(isUserVerified=False)
        opened.open(f"{origin}/enroll")
        opened.type("#principal", "carol@example.com")
        opened.click("form button")
        opened.wait_for("No passkey was used", "#trouble")
        opened.tell("Page.addScriptToEvaluateOnNewDocument", source="delete window.PublicKeyCredential")
        opened.open(f"{origin}/sign-in")
        opened.click("#sign-in")
        opened.wait_for("This browser has no passkeys", "#trouble")


def test_all_of_it_goes_by_keyboard_alone(desk: Desk) -> None:
    """Tab and Enter, and the focus goes to what was said."""
    desk.cluster.deployment()
    chg = desk.refused()
    browser = desk.browser
    browser.open(f"{desk.origin}/requests/{chg}")
    _go_to(browser, "sign-in")
    browser.press(_ENTER)
    browser.wait_for("What your passkey signs")
    browser.until(lambda: not browser.run("return document.querySelector('#approve').disabled"), "it can be approved")
    _go_to(browser, "reason")
    browser.press(*"INC-1")
    _go_to(browser, "approve")
    browser.press(_ENTER)
    browser.wait_for("Your approval counts", "#said")
    assert browser.run("return document.activeElement.id") == "said"


def test_whoever_listens_instead_of_looking_is_told_all_of_it(desk: Desk) -> None:
    """Each field and button has a name, headings are in order, and what happens is said by a live region."""
    for name in ("checkout", "billing"):
        desk.cluster.deployment(name)
    chg, other = desk.refused(), desk.refused(name="billing")
    desk.sign_in(chg)
    browser = desk.browser
    for path in ("/enroll", "/sign-in", "/", f"/requests/{chg}", f"/together?name={chg}&name={other}"):
        browser.open(f"{desk.origin}{path}")
        nodes = browser.tell("Accessibility.getFullAXTree")["nodes"]
        told = [(node.get("role", {}).get("value"), node.get("name", {}).get("value", "")) for node in nodes]
        controls = [(role, name) for role, name in told if role in {"button", "checkbox", "textbox", "link"}]
        assert controls
        assert [role for role, name in controls if not name] == []
        assert {"main", "banner"} <= {role for role, _ in told}
        levels = browser.run("return [...document.querySelectorAll('h1,h2')].map((heading) => heading.tagName)")
        assert levels[0] == "H1"
        assert levels.count("H1") == 1
        assert browser.run("return document.documentElement.lang") == "en"
    live = browser.run("return document.querySelector('#said').getAttribute('aria-live')")
    assert live == "polite"
    assert browser.run("return document.querySelector('#trouble').getAttribute('role')") == "alert"


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_the_screen(desk: Desk, width: int) -> None:
    """Long names break, tables become lists; what can be touched is high enough."""
    for name in ("billing", "checkout-" + "x" * 50):
        desk.cluster.deployment(name)
    chg, other = desk.refused("deployment", "checkout-" + "x" * 50), desk.refused(name="billing")
    desk.sign_in(chg)
    browser = desk.browser
    browser.tell("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=True)
    for path in ("/", "/enroll", "/sign-in", f"/requests/{chg}", f"/together?name={chg}&name={other}"):
        browser.open(f"{desk.origin}{path}")
        assert browser.run("return document.documentElement.scrollWidth") <= width
        heights = browser.run("return [...document.querySelectorAll('button,input')].map((e) => e.offsetHeight)")
        assert min([height for height in heights if height] or [44]) >= 44


def test_it_survives_an_api_server_that_is_away(desk: Desk) -> None:
    """With a sentence, in a page and in what the script says; and goes on afterwards."""
    desk.cluster.deployment()
    chg = desk.refused()
    desk.sign_in(chg)
    browser = desk.browser
    browser.type("#reason", "INC-1")
    api_server = desk.cluster.stack.control_plane.pid_of(Binary.APISERVER)
    os.kill(api_server, signal.SIGSTOP)
    try:
        browser.click("#approve")
        browser.wait_for("The cluster's API server does not answer at the moment", "#trouble", 30)
        browser.open(f"{desk.origin}/")
        browser.wait_for("does not answer at the moment")
        desk.picture("away")
    finally:
        os.kill(api_server, signal.SIGCONT)
    browser.open(f"{desk.origin}/requests/{chg}")
    desk.approve()


def test_it_needs_little_memory(desk: Desk) -> None:
    """At most 128 MiB, after hundreds of requests, as the chart limits it."""
    desk.cluster.deployment()
    chg = desk.refused()
    desk.sign_in(chg)
    script = """
      const [path, done] = arguments;
      (async () => { for (let n = 0; n < 60; n += 1) await (await fetch(path)).text(); return "read"; })().then(done);
    """
    for _ in range(4):
        assert desk.browser.run_later(script, f"/requests/{chg}") == "read"
    used = psutil.Process(desk.cluster.stack.seconder.pid_of("portal")).memory_info().rss / 2**20
    assert 20 < used <= 128, f"{used:.0f} MiB"


def test_a_message_leads_to_the_request(desk: Desk) -> None:
    """What the operator is told of the portal is where the portal is."""
    desk.cluster.deployment()
    chg = desk.refused()
    (origin,) = {
        flag.partition("=")[2] for flag in desk.cluster.stack.seconder.flags_for_portal if flag.startswith("--portal")
    }
    desk.browser.open(f"{origin}/requests/{chg}")
    assert desk.browser.url == f"{desk.origin}/sign-in?to=/requests/{chg}"


def _in_sight(browser: Browser, selector: str) -> bool:
    """Whether the whole of an element is on the screen as it is scrolled."""
    script = """
      const place = document.querySelector(arguments[0]).getBoundingClientRect();
      return place.height > 0 && place.top >= 0 && place.bottom <= window.innerHeight;
    """
    return bool(browser.run(script, selector))


def _go_to(browser: Browser, target: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        if browser.run("return document.activeElement.id") == target:
            return
        browser.press(_TAB)
    raise AssertionError(f"{target} is not reached by Tab")
