"""The pages, and what becomes of what is sent to them."""

import html
from typing import Any

import msgspec
import pytest
from tests.support import signing
from tests.support.builders import policy
from tests.support.fido import Passkey
from tests.support.portal import (
    DEPLOYMENT_PATH,
    Seen,
    alice,
    api_of,
    approval_of,
    deployment,
    served,
    sign_in_of,
    stored,
    waiting,
    written,
)
from tests.support.served import Asked

from seconder.api import change_request
from seconder.api.change_request import DenialDoc, Phase
from seconder.api.policy import Policy, Requirement
from seconder.api.resources import Action, Target
from seconder.approvals.change import By
from seconder.approvals.registry import Approver
from seconder.client.api import ApiError
from seconder.portal import pages

PASSKEY = Passkey()
REQUEST = waiting(policy())
PATH = f"/requests/{REQUEST.name}"


def _seen(*approvers: Approver, **fields: Any) -> Seen:
    return Seen({"p": policy(**fields)}, *(approvers or (alice(PASSKEY),)))


@pytest.mark.parametrize("path", ["/", PATH, "/requests/chg-00000000000000000000000000"])
def test_whoever_is_not_signed_in_sees_nothing_and_is_sent_to_sign_in(path: str) -> None:
    """And back to where they wanted to go; of the cluster nothing is asked."""
    api = api_of(stored(REQUEST))
    with served(api, _seen()) as visitor:
        answer = visitor.get(path)
        assert answer.status == 303
        assert answer.headers["location"] == ("/sign-in" if path == "/" else f"/sign-in?to={path}")
        for more in ("/facts", "/status"):
            assert visitor.get(f"{PATH}{more}", page=False).status == 401
        for more in ("/approval", "/denial"):
            assert visitor.post(f"{PATH}{more}", {"value": "x", "reason": "x"}).status == 401
    assert api.asked == []


@pytest.mark.parametrize("path", ["/", PATH])
def test_who_follows_a_link_from_elsewhere_is_asked_for_the_cookie_once_more(path: str) -> None:
    """By a page of the portal's own, since browsers send a Strict cookie to no other; then they have to sign in."""
    api = api_of(stored(REQUEST))
    with served(api, _seen()) as visitor:
        asked = {"accept": "text/html", "sec-fetch-site": "cross-site"}
        answer = visitor.ask("GET", path, None, asked)
        assert (answer.status, answer.headers["refresh"]) == (200, f"0; url={path}")
        assert visitor.ask("GET", path, None, asked | {"sec-fetch-site": "same-origin"}).status == 303
    assert api.asked == []


@pytest.mark.parametrize(
    "to", ["https://evil.example.com/", "//evil.example.com", "/requests/../x", "/\\evil.example.com", f"{PATH}?x", ""]
)
def test_signing_in_leads_to_our_own_pages_alone(to: str) -> None:
    """Whatever a link says."""
    with served(api_of(), _seen()) as visitor:
        assert 'data-to="/"' in visitor.get(f"/sign-in?to={to}").text
        assert f'data-to="{PATH}"' in visitor.get(f"/sign-in?to={PATH}").text


def test_the_list_shows_what_waits_and_hides_nothing_of_it() -> None:
    """What is over is not in it."""
    over = waiting(policy(), claimed="over", agent="hal", status={"phase": Phase.USED})
    with served(api_of(stored(REQUEST), stored(over)), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        page = visitor.get("/").text
    assert f"/requests/{REQUEST.name}" in page
    assert "deployments.apps payments/checkout" in page
    assert over.name not in page


def test_a_page_shows_the_object_who_asked_and_what_there_is_to_sign() -> None:
    """Made from the record and from the object as it stands."""
    with served(api_of(stored(REQUEST)), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        page = visitor.get(PATH).text
        facts = visitor.get(f"{PATH}/facts", page=False).document
    assert f'data-fact="uid">{signing.DEPLOYMENT.uid}<' in page
    assert f'data-fact="requester">{signing.REQUESTER}<' in page
    assert 'id="signing"' in page
    assert facts["statement"] == REQUEST.status.statement
    assert facts["object"] == {"name": "checkout", "namespace": "payments", "uid": signing.DEPLOYMENT.uid}
    assert facts["lifetime"] == 900
    assert facts["principal"] == "alice@example.com"


def test_what_comes_from_the_cluster_is_text() -> None:
    """No markup, no line that steers the display, wherever it stands."""
    claimed = "<script>alert(1)</script>\u202egnp.\x1b[2J"
    request = waiting(policy(), claimed=claimed, requester='"><img src=x>', agent="<b>hal</b>")
    with served(api_of(stored(request)), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        for path in ("/", f"/requests/{request.name}"):
            page = visitor.get(path).text
            assert "&lt;b&gt;hal" in page
            assert not any(mark in page for mark in ("<script>alert", "<img", "<b>hal", "\u202e", "\x1b"))


def test_what_others_wrote_is_told_apart_from_what_the_page_says() -> None:
    """Their words are quoted, and cannot end their quotation; a line of the diff goes on below itself."""
    status = {"denials": [DenialDoc(name="bob", reason='no" and alice has approved it')]}
    request = waiting(policy(), claimed='routine" (proven)', requester="kiro (agent of alice)", status=status)
    with served(api_of(stored(request)), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        page, listed = (html.unescape(visitor.get(path).text) for path in (f"/requests/{request.name}", "/"))
        css = visitor.get("/static/portal.css").text
    assert '"routine\' (proven)" (unproven)' in page
    assert 'said no: "no\' and alice has approved it"' in page
    assert '"kiro (agent of alice)"' in listed
    assert "[data-diff] span { display: block; padding-left: 4ch; text-indent: -4ch; }" in css


def test_a_page_says_by_what_an_action_is_asked_for() -> None:
    """Whoever signs for a deletion sees that it is an EndpointSlice that is to be made; the list shows it as well."""
    by = By("CREATE", "discovery.k8s.io", "endpointslices", "payments", "<i>mine", "", "it goes where they say")
    request = waiting(policy(), by=by)
    told = 'CREATE of endpointslices.discovery.k8s.io "payments/<i>mine": it goes where they say'
    with served(api_of(stored(request)), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        page, listed = (visitor.get(path).text for path in (f"/requests/{request.name}", "/"))
    assert "<i>mine" not in page + listed
    assert f"{told} (this may last when the approval has ended)" in html.unescape(page)
    assert f"the object itself, by {told}" in html.unescape(listed)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({DEPLOYMENT_PATH: 404}, "is gone"),
        ({DEPLOYMENT_PATH: deployment(uid="another")}, "made anew"),
        ({DEPLOYMENT_PATH: deployment(deletionTimestamp="2026-11-28T00:00:00Z")}, "has begun"),
        ({DEPLOYMENT_PATH: 403}, "may not read"),
    ],
)
def test_nothing_is_signed_where_the_object_is_not_what_was_asked_about(answers: dict[str, Any], says: str) -> None:
    """The page says so, offers nothing to sign, and takes nothing."""
    api = api_of(stored(REQUEST), **answers)
    with served(api, _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        page = visitor.get(PATH).text
        assert says in page
        assert 'id="signing"' not in page
        assert visitor.get(f"{PATH}/facts", page=False).document["statement"] == ""
        refused = visitor.post(f"{PATH}/approval", {"value": approval_of(PASSKEY)})
        assert (refused.status, says in refused.problem) == (409, True)
    assert written(api) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"phase": Phase.EXPIRED, "message": "nobody approved it in time"}, "It is over (Expired: nobody"),
        ({"phase": Phase.USED}, "It is over (Used)"),
        ({"statement": REQUEST.status.statement.replace("checkout", "checkoux")}, "nothing here can be relied on"),
        ({"statement": "{"}, "nothing here can be relied on"),
    ],
)
def test_nothing_is_signed_for_a_record_that_is_over_or_says_something_else(changes: dict[str, Any], says: str) -> None:
    """What was recorded is compared with what the cluster says."""
    with served(api_of(stored(waiting(policy(), status=changes))), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        page = visitor.get(PATH).text
        assert says in page
        assert 'id="signing"' not in page


def test_nothing_is_signed_where_no_approval_would_be_copied() -> None:
    """The plugin then does what the portal cannot."""
    document = stored(REQUEST)
    document["status"]["acceptsApprovals"] = False
    with served(api_of(document), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        assert f"approve it with kubectl seconder approve {REQUEST.name}" in visitor.get(PATH).text


def test_an_approval_is_put_on_the_change_request() -> None:
    """As it was read, under the Approver's name, by the field manager that GitOps controllers leave alone."""
    api = api_of(stored(REQUEST))
    with served(api, _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        value = approval_of(PASSKEY)
        done = visitor.post(f"{PATH}/approval", {"value": value})
        assert (done.status, done.document) == (200, {"annotation": "approval.seconder.dev/alice"})
    metadata = {"uid": "txn-1", "resourceVersion": "1", "annotations": {"approval.seconder.dev/alice": value}}
    assert written(api) == [{"metadata": metadata}]
    patch = next(asked for asked in api.asked if asked.document)
    assert (patch.path, patch.query) == (
        f"{change_request.PATH}/{REQUEST.name}",
        {"fieldManager": "seconder-approval"},
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"detail": {"name": "other"}}, "WrongObject"),
        ({"detail": {"identifier": "another"}}, "WrongObject"),
        ({"detail": {"actions": ["ScaleToZero"]}}, "WrongAction"),
        ({"sub": "dana@example.com"}, "WrongRequester"),
        ({"aud": "urn:uuid:00000000-0000-0000-0000-000000000000"}, "WrongCluster"),
        ({"iat": 1, "exp": 2}, "ApprovalExpired"),
        ({"iss": "bob@example.com"}, "SignatureInvalid"),
    ],
)
def test_what_would_not_count_is_not_handed_on(changes: dict[str, Any], reason: str) -> None:
    """The approver is told at once, not when the agent is refused again."""
    api = api_of(stored(REQUEST))
    with served(api, _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        refused = visitor.post(f"{PATH}/approval", {"value": approval_of(PASSKEY, **changes)})
        assert refused.status == 409
        assert f"({reason})" in refused.problem
    assert written(api) == []


def test_what_another_passkey_signed_is_not_handed_on() -> None:
    """Not even where it would count: whoever is signed in is not who signed."""
    other = Passkey()
    bob = signing.approver("bob", signing.entry(other.line))
    api = api_of(stored(REQUEST))
    with served(api, _seen(alice(PASSKEY), bob)) as visitor:
        visitor.sign_in(PASSKEY)
        refused = visitor.post(f"{PATH}/approval", {"value": approval_of(other, iss="bob@example.com")})
        assert "another passkey" in refused.problem
    assert written(api) == []


def test_a_requester_and_a_stranger_to_the_team_are_told_that_they_are_no_peers() -> None:
    """Before they sign, and when they do."""
    own = waiting(policy(), operators=frozenset({"alice@example.com"}))
    teams = {"requirement": Requirement(teams=frozenset({"payments"}))}
    for request, fields, says in ((own, {}, "a peer has to"), (REQUEST, teams, "takes approvers of payments only")):
        api = api_of(stored(request))
        with served(api, _seen(**fields)) as visitor:
            visitor.sign_in(PASSKEY)
            page = visitor.get(f"/requests/{request.name}").text
            assert says in page
            assert 'id="signing"' not in page
            assert visitor.post(f"/requests/{request.name}/approval", {"value": approval_of(PASSKEY)}).status == 409
        assert written(api) == []


def test_nobody_elses_approval_is_replaced() -> None:
    """One's own is."""
    other = Passkey()
    bob = signing.approver("bob", signing.entry(other.line))
    taken = approval_of(other, iss="bob@example.com")
    for annotation, expected in ((taken, "alice-2"), (approval_of(PASSKEY), "alice"), ("rubbish", "alice")):
        document = stored(REQUEST, **{"approval.seconder.dev/alice": annotation})
        with served(api_of(document), _seen(alice(PASSKEY), bob)) as visitor:
            visitor.sign_in(PASSKEY)
            done = visitor.post(f"{PATH}/approval", {"value": approval_of(PASSKEY)})
            assert done.document == {"annotation": f"approval.seconder.dev/{expected}"}


def test_what_was_put_on_the_change_request_meanwhile_stays() -> None:
    """By an approver of nearly the same name, who signs at the same moment."""
    other = Passkey()
    bob = signing.approver("bob", signing.entry(other.line))
    api = api_of(stored(REQUEST))
    path = f"{change_request.PATH}/{REQUEST.name}"
    there, taken = stored(REQUEST), {"approval.seconder.dev/alice": approval_of(other, iss="bob@example.com")}

    def answer(asked: Asked) -> Any:
        if asked.document is None:
            return there
        if asked.document["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
            raise ApiError(409, "it was changed meanwhile")
        if not there["metadata"].get("annotations"):
            there["metadata"] |= {"annotations": taken, "resourceVersion": "8"}
            raise ApiError(409, "it was changed meanwhile")
        return there

    api.answers[path] = answer
    with served(api, _seen(alice(PASSKEY), bob)) as visitor:
        visitor.sign_in(PASSKEY)
        done = visitor.post(f"{PATH}/approval", {"value": approval_of(PASSKEY)})
    assert done.document == {"annotation": "approval.seconder.dev/alice-2"}


def test_a_no_is_written_with_its_reason_and_taken_back() -> None:
    """Under the name of the Approver who is signed in, whatever is sent."""
    api = api_of(stored(REQUEST))
    with served(api, _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        assert visitor.post(f"{PATH}/denial", {"reason": "not on a Friday\u202e"}).status == 200
        assert visitor.post(f"{PATH}/denial", {"reason": None}).status == 200
        assert visitor.post(f"{PATH}/denial", {"reason": " "}).status == 400
        assert visitor.post(f"{PATH}/denial", {"reason": "x", "name": "bob"}).status == 400
    notes = [document["metadata"]["annotations"] for document in written(api)]
    assert notes == [{"denial.seconder.dev/alice": "not on a Friday"}, {"denial.seconder.dev/alice": None}]


def test_a_no_to_what_is_over_is_not_written() -> None:
    """There is nothing left to deny."""
    api = api_of(stored(waiting(policy(), status={"phase": Phase.USED})))
    with served(api, _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        assert visitor.post(f"{PATH}/denial", {"reason": "no"}).status == 409
    assert written(api) == []


@pytest.mark.parametrize("body", [[], {"value": 1}, {"value": "x" * 9000}, {"value": "x", "more": 1}, "x"])
def test_what_cannot_be_read_is_refused_with_a_sentence(body: Any) -> None:
    """No error of a parser's reaches a visitor."""
    with served(api_of(stored(REQUEST)), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        assert visitor.post(f"{PATH}/approval", body).problem == "What was sent cannot be read. Reload the page."


def test_a_change_request_that_seconder_did_not_write_is_not_shown() -> None:
    """Its name is a hash over what it is for."""
    forged = stored(REQUEST)
    forged["spec"]["object"]["name"] = "other"
    with served(api_of(forged), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        assert "Seconder did not write it" in visitor.get(PATH).text


@pytest.mark.parametrize("status", [0, 500, 503, 429])
def test_an_api_server_that_is_away_is_one_sentence(status: int) -> None:
    """On each page, and for each script; and no approval is lost without a word."""

    def away(_: Asked) -> Any:
        raise ApiError(status, "GET https://10.0.0.1: no answer in time")

    api = api_of(stored(REQUEST))
    with served(api, _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        api.answers |= {f"{change_request.PATH}/{REQUEST.name}": away, change_request.PATH: away}
        for path in ("/", PATH):
            answer = visitor.get(path)
            assert answer.status == 503
            assert "does not answer at the moment" in answer.text
            assert "10.0.0.1" not in answer.text
        assert "does not answer" in visitor.post(f"{PATH}/approval", {"value": approval_of(PASSKEY)}).problem


def test_with_an_old_view_nobody_is_signed_in() -> None:
    """A key that was removed meanwhile would not be known."""
    view = _seen()
    with served(api_of(stored(REQUEST)), view) as visitor:
        visitor.sign_in(PASSKEY)
        view.proven = False
        assert visitor.get("/").status == 503
        assert visitor.post("/session", sign_in_of("x", b"", "")).status == 503
        assert visitor.get("/enroll").status == 200


def test_a_crash_is_one_sentence_and_a_line_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever goes wrong, no visitor reads a traceback."""

    def broken(_: Asked) -> Any:
        raise RuntimeError("secret detail")

    with served(api_of(**{change_request.PATH: broken}), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        answer = visitor.get("/")
    assert answer.status == 500
    assert "secret detail" not in answer.text
    assert "secret detail" in capfd.readouterr().out


def test_who_asks_without_end_is_told_to_wait_and_others_are_not() -> None:
    """By the approver, not by the address: an Ingress has one for all."""
    other = Passkey()
    bob = signing.approver("bob", signing.entry(other.line))
    with served(api_of(), _seen(alice(PASSKEY), bob)) as visitor:
        visitor.sign_in(PASSKEY)
        assert 429 in {visitor.get("/").status for _ in range(100)}
        visitor.cookie = ""
        assert visitor.sign_in(other, "bob@example.com").status == 200
        assert visitor.get("/").status == 200


def test_signing_out_ends_the_session_in_this_browser() -> None:
    """The cookie is taken away."""
    with served(api_of(), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        assert "Max-Age=0" in visitor.post("/sign-out", {}).headers["set-cookie"]
        assert visitor.get("/").status == 303


def test_a_page_with_all_that_it_needs_is_small() -> None:
    """At most 60 kB, with script, style and icon, and nothing from elsewhere."""
    with served(api_of(stored(REQUEST)), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        page = visitor.get(PATH).text
    assert len(page) + sum(len(file.content) for file in pages.files().values()) <= 60_000
    assert "//" not in page.replace("<!doctype", "")


def test_a_file_is_asked_for_once_and_then_compared() -> None:
    """By its tag, so that a new version is seen at once."""
    with served(api_of(), _seen()) as visitor:
        first = visitor.get("/static/portal.css")
        again = visitor.ask("GET", "/static/portal.css", None, {"if-none-match": first.headers["etag"]})
        assert (again.status, again.text) == (304, "")
        assert first.headers["content-type"] == "text/css; charset=utf-8"


def test_a_request_without_a_statement_yet_can_be_signed_for() -> None:
    """What was recorded may lack it; what is signed is made from the cluster in any case."""
    document = msgspec.to_builtins(stored(REQUEST))
    document["status"]["statement"] = ""
    with served(api_of(document), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        assert visitor.get(f"{PATH}/facts", page=False).document["statement"] == REQUEST.status.statement


_BILLING = Target(signing.DEPLOYMENT.resource, "Deployment", "payments", "billing", "uid-of-billing")
_BILLING_PATH = DEPLOYMENT_PATH.replace("checkout", "billing")
_BOTH = {_BILLING_PATH: deployment(name="billing", uid=_BILLING.uid)}


def _together(*names: str) -> str:
    return f"/together?{'&'.join(f'name={name}' for name in names)}"


def test_several_requests_are_shown_on_one_page_with_one_thing_to_sign() -> None:
    """Each in a place of its own; the statement names no change request, and so does nothing that is compared."""
    other = waiting(policy(), target=_BILLING)
    api = api_of(stored(REQUEST), stored(other), **_BOTH)
    with served(api, _seen()) as visitor:
        assert visitor.get(_together(REQUEST.name, other.name)).headers["location"] == "/sign-in"
        visitor.sign_in(PASSKEY)
        listed = visitor.get("/").text
        page = visitor.get(_together(REQUEST.name, other.name, REQUEST.name)).text
        detail = signing.claims()["authorization_details"][0]
        more = detail | {"name": "billing", "identifier": _BILLING.uid}
        value = approval_of(PASSKEY, txn=None, authorization_details=[detail, more])
        for request in (REQUEST, other):
            assert visitor.post(f"/requests/{request.name}/approval", {"value": value}).status == 200
    with served(api_of(stored(REQUEST)), _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        assert "Together" not in visitor.get("/").text
    for request in (REQUEST, other):
        assert f'value="{request.name}"> Together' in listed
        assert page.count(f'<section data-request="{request.name}"') == 1
        assert f'data-fact="uid">{request.target.uid}<' in page
    assert page.count('id="signing"') == 1
    assert 'data-fact="request"' not in page
    assert [patch["metadata"]["annotations"] for patch in written(api)] == [{"approval.seconder.dev/alice": value}] * 2


@pytest.mark.parametrize(
    ("fields", "rules", "says"),
    [
        ({"target": _BILLING, "requester": "dana@example.com"}, policy(), "another requester"),
        ({"target": _BILLING, "agent": "hal"}, policy(), "another requester"),
        ({"target": _BILLING}, policy(requirement=Requirement(required=2)), "takes several peers"),
        ({"action": Action.SCALE_TO_ZERO}, policy(), "same object"),
        ({"target": _BILLING, "status": {"phase": Phase.USED}}, policy(), "It is over"),
        ({"target": _BILLING, "requester": "alice@example.com"}, policy(), "a peer has to approve it"),
    ],
)
def test_what_does_not_go_together_is_said_and_not_offered(fields: dict[str, Any], rules: Policy, says: str) -> None:
    """Nothing is signed there for any of them then."""
    other = waiting(rules, **fields)
    with served(api_of(stored(REQUEST), stored(other), **_BOTH), Seen({"p": rules}, alice(PASSKEY))) as visitor:
        visitor.sign_in(PASSKEY)
        page = visitor.get(_together(REQUEST.name, other.name)).text
    assert says in page
    assert other.name in page
    assert 'id="signing"' not in page


@pytest.mark.parametrize(
    "names", [(), (REQUEST.name,), (REQUEST.name, "../x"), tuple(f"chg-{number:026}" for number in range(17))]
)
def test_one_signature_is_for_two_to_sixteen_requests(names: tuple[str, ...]) -> None:
    """Anything else is answered by a sentence, and nothing is looked up."""
    api = api_of(stored(REQUEST))
    with served(api, _seen()) as visitor:
        visitor.sign_in(PASSKEY)
        asked = len(api.asked)
        answer = visitor.get(_together(*names))
        assert answer.status == 400
        assert "2 to 16 requests" in answer.text
        assert len(api.asked) == asked
