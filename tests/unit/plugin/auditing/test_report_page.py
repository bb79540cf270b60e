"""The report's page: it needs nothing else, and whatever clients wrote stays text."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from tests.support.audit import DANA, event, line

from seconder.api import change_request
from seconder.api.change_request import ChangeRequest
from seconder.api.text import clean
from seconder.plugin.auditing import audit_log
from seconder.plugin.auditing.facts import Entry
from seconder.plugin.auditing.report_page import Making, _environment, page
from seconder.plugin.auditing.reporting import Event, Logged, Report, Signed

_NOON = 1_795_348_800.0
_AT = "2026-11-22T12:00:00Z"
_MAKING = Making("2026-11-22T13:00:00Z", "0.1.0", "urn:uuid:1", ("audit.log",))
_HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\x1b[2J\u202e&amp;"
_REFUSED = {"agents.seconder.dev/decision": "deny", "agents.seconder.dev/reason": "ApprovalMissing"}


class _Page(HTMLParser):
    """What a browser makes of it: elements in their order, with what is in each, and the headings' levels."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def _request(text: str, **status: Any) -> ChangeRequest:
    target = {
        "group": "apps",
        "version": "v1",
        "resource": "deployments",
        "kind": "Deployment",
        "name": text,
        "uid": "u",
    }
    spec = {"requester": text, "agent": text, "object": target, "action": "Delete", "reason": text[:400]}
    return change_request.parse({"metadata": {"name": "chg-1", "uid": "1"}, "spec": spec, "status": status})


def _report(text: str) -> Report:
    approval = {"name": "a", "approver": text, "fingerprint": text[:128], "assurance": "Software"}
    request = _request(
        text, phase="Pending", attempts=2, firstRefusedAt=_AT, lastRefusedAt=_AT, lastReason="X", approvals=[approval],
        expiresAt="2026-11-23T12:00:00Z",
    )  # fmt: skip
    signed = [
        Signed(_AT, _AT, text, proven and text, text, text, text, text, text, bool(proven), text)
        for proven in ("", "x")
    ]
    logged = Logged(_NOON - 60, _NOON + 60)
    logged.add(_event(event(user=DANA | {"username": text}, ref={"name": text}, auditID=text, annotations=_REFUSED)))
    return Report(
        _NOON - 60, _NOON + 60, [request], [Event(_AT, text, text, text, text)], [text], logged, signed
    )  # fmt: skip


def _event(document: dict[str, Any]) -> audit_log.Event:
    return msgspec.json.decode(line(document), type=audit_log.Event)


def test_the_page_needs_nothing_else() -> None:
    """Nothing is fetched, nothing runs, and its own policy forbids both."""
    text = page(_report("x"), _MAKING)
    found = _Page(text)
    assert not found.tags() & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}
    names = {name for _, attributes in found.elements for name in attributes}
    assert not names & {"src", "href", "style", "srcset", "action", "xlink:href"}
    assert not any(name.startswith("on") for name in names)
    assert "url(" not in text
    assert "@import" not in text
    policy = next(each["content"] for tag, each in found.elements if tag == "meta" and "http-equiv" in each)
    css = re.search("<style>(.*)</style>", text, re.DOTALL)
    assert css
    digest = base64.b64encode(hashlib.sha256(css[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_whatever_clients_wrote_stays_text() -> None:
    """Names, reasons, notes and file names: everywhere where they appear."""
    hostile = page(_report(_HOSTILE), Making(_HOSTILE, _HOSTILE, _HOSTILE, (_HOSTILE,)))
    assert _Page(hostile).tags() == _Page(page(_report("x"), _MAKING)).tags()
    assert "<script" not in hostile
    assert "<img" not in hostile
    assert not {"\x1b", "\u202e"} & set(hostile)
    assert hostile.count("&lt;script&gt;") > 20


@settings(deadline=None)  # the first page compiles the template
@given(st.text(max_size=60))
def test_no_text_changes_what_the_page_is_made_of(text: str) -> None:
    """Whatever it is: the same elements, each closed."""
    request = _request("x", phase="Pending", attempts=1, firstRefusedAt=_AT, lastReason=text)
    report = Report(_NOON - 60, _NOON + 60, [request], [Event(_AT, text, text, text, text)], [text])
    found = _Page(page(report, _MAKING))
    assert found.open == []
    plain = Report(_NOON - 60, _NOON + 60, [request], [Event(_AT, "x", "x", "x", "x")], ["x"])
    assert found.tags() == _Page(page(plain, _MAKING)).tags()


def test_a_value_that_the_template_misses_is_an_error_and_no_gap() -> None:
    """A record with a hole in it would look like one where nothing happened."""
    with pytest.raises(UndefinedError, match="no attribute 'clustre'"):
        _environment().from_string("{{ making.clustre }}").render(making=_MAKING)


@pytest.mark.parametrize("value", [_HOSTILE, [_HOSTILE], {_HOSTILE: 1}])
def test_whatever_is_put_in_is_cleaned_and_escaped_once(value: Any) -> None:
    """Through a macro too, whose output is taken as it is."""
    template = (
        '{% macro name(text) %}<b title="{{ text }}">{{ text }}</b>{% endmacro %}{{ name(value) }}<i>{{ value }}</i>'
    )
    found = _Page(_environment().from_string(template).render(value=value))
    assert [tag for tag, _ in found.elements] == ["b", "i"]
    shown = clean(str(value))
    assert found.text == shown * 2
    assert found.elements[0][1]["title"] == shown


def test_headings_and_tables_tell_their_structure() -> None:
    """One h1, sections named by their h2, column heads and a head for every row, and words for the drawing."""
    found = _Page(page(_report("x"), _MAKING))
    tags = [tag for tag, _ in found.elements]
    assert tags.count("h1") == 1
    labels = [each["aria-labelledby"] for tag, each in found.elements if tag == "section"]
    assert labels == [each["id"] for tag, each in found.elements if tag == "h2"]
    assert ("html", {"lang": "en"}) in found.elements
    heads = [each["scope"] for tag, each in found.elements if tag == "th"]
    assert heads.count("col") > 20
    assert heads.count("row") == tags.count("tr") - tags.count("table")
    drawings = [each for tag, each in found.elements if tag == "svg"]
    assert all((each.get("role") == "img" and each.get("aria-label")) or each.get("aria-hidden") for each in drawings)
    assert "title" in tags


def test_the_page_has_every_part_of_a_record() -> None:
    """Facts with their sources, per requester, per object, approvals with key and reason, and what is pending."""
    text = _Page(page(_report("somebody"), _MAKING)).text
    for words in (
        "What happened, in order", "By requester", "By object", "Approvals", "What remained pending",
        "Sources, and what they do not tell", "Written in", "signature unproven", "somebody",
        "API audit log audit.log", "2026-11-22T12:00:00Z",
    ):  # fmt: skip
        assert words in text


def test_a_page_about_nothing_says_so() -> None:
    """And draws nothing."""
    found = _Page(page(Report(_NOON - 60, _NOON, [], [], []), _MAKING))
    assert "Nothing was refused" in found.text
    assert "svg" not in found.tags()


@pytest.mark.parametrize("count", [1, 3, 5_000])
def test_the_drawing_stays_legible_however_much_happened(count: int) -> None:
    """What is too close to be told apart is drawn as one, with its number."""
    events = [
        Event(f"2026-11-22T12:00:{second % 60:02}Z", "Refused", f"x {second % 40}", "", "e") for second in range(count)
    ]
    found = page(Report(_NOON - 60, _NOON + 60, [], events, []), _MAKING)
    drawing = found[found.index("<svg") : found.index("</svg>")]
    assert 1 <= drawing.count("<path") <= 1_200
    assert drawing.count('class="lane"') <= 8


def test_a_fact_that_two_sources_tell_is_told_once() -> None:
    """The audit log knows the moment: the change request's and the Event's words for the same are left out."""
    chg = f"chg-{'a' * 26}"
    message = f'admission webhook "agents.seconder.dev" denied the request: no\nchange request: {chg}\nAsk'
    logged = Logged(_NOON - 60, _NOON + 60)
    document = event(
        annotations=_REFUSED | {"agents.seconder.dev/action": "Delete", "agents.seconder.dev/policies": "a,b"},
        responseStatus={"code": 403, "message": message},
    )
    logged.add(_event(document))
    target = {
        "group": "apps",
        "version": "v1",
        "resource": "deployments",
        "kind": "Deployment",
        "name": "checkout",
        "uid": "u",
    }
    request = change_request.parse(
        {
            "metadata": {"name": chg, "uid": "1"},
            "spec": {"requester": "x", "object": target | {"namespace": "payments"}, "action": "Delete"},
            "status": {"firstRefusedAt": _AT, "attempts": 1},
        }
    )
    noted = Event(_AT, "NeedsApproval", "deployments.apps payments/checkout", "x", f"{chg}.refused")
    (told,) = Report(_NOON - 60, _NOON + 60, [request], [noted], [], logged).timeline
    assert (told.what, told.request, told.detail) == ("Refused", chg, "Delete: ApprovalMissing, policies a, b")
    assert told.who == "system:serviceaccount:seconder-agents:kiro (agent kiro)"
    assert told.source == f"audit log, ID {document['auditID']}"


@pytest.mark.parametrize(
    ("annotations", "what"),
    [
        ({"agents.seconder.dev/decision": "allow", "agents.seconder.dev/reason": "NotCovered"}, None),
        ({"agents.seconder.dev/decision": "allow", "agents.seconder.dev/reason": "Approved"}, "Allowed"),
        ({"everyone.seconder.dev/decision": "allow", "everyone.seconder.dev/reason": "BreakGlass"}, "Emergency"),
        (
            {"audit-agents.seconder.dev/decision": "deny", "audit-agents.seconder.dev/mode": "Audit"},
            "Would be refused",
        ),
        ({"guard-1.seconder.dev/decision": "deny", "agents.seconder.dev/decision": "allow"}, "Refused"),
        ({"authorization.k8s.io/decision": "allow", "seconder.dev.example.com/decision": "deny"}, None),
    ],
)
def test_what_the_webhook_noted_is_read(annotations: dict[str, str], what: str | None) -> None:
    """By any of its entries; a refusal before all else."""
    logged = Logged(_NOON - 60, _NOON + 60)
    logged.add(_event(event(annotations=annotations)))
    assert [each.what for each in logged.entries] == ([what] if what else [])


def test_a_webhook_that_did_not_answer_is_a_fact() -> None:
    """The API server's message tells."""
    status = {"code": 500, "message": 'Internal error occurred: failed calling webhook "agents.seconder.dev": no route'}
    logged = Logged(_NOON - 60, _NOON + 60)
    logged.add(_event(event(responseStatus=status)))
    logged.add(_event(event(responseStatus=status | {"message": 'failed calling webhook "x.example.com": no'})))
    assert [each.what for each in logged.entries] == ["Not decided"]


def test_a_name_that_repeats_the_api_servers_words_is_no_such_fact() -> None:
    """Anybody may ask for an object of any name, and is told that there is none such."""
    forged = 'deployments.apps "failed calling webhook "agents.seconder.dev"" not found'
    logged = Logged(_NOON - 60, _NOON + 60)
    logged.add(_event(event(responseStatus={"code": 404, "message": forged})))
    assert logged.entries == []


def test_a_refusal_that_stands_in_two_logs_is_told_once() -> None:
    """As where a log was rotated by copying; another request under the same audit ID is another one."""
    logged = Logged(_NOON - 60, _NOON + 60)
    first = event(annotations=_REFUSED, responseStatus={"code": 403})
    for document in (first, first, first | {"requestReceivedTimestamp": "2026-11-22T12:00:00.2Z"}):
        logged.add(_event(document))
    assert (len(logged.entries), logged.refused.total()) == (2, 2)


def test_a_flood_of_refusals_hides_nothing_that_was_let_through() -> None:
    """Each kind of fact has its own bound; what is beyond it is told."""
    logged = Logged(_NOON - 60, _NOON + 60)
    for _ in range(5_002):
        logged.add(_event(event(annotations=_REFUSED, responseStatus={"code": 403})))
    for reason in ("Approved", "BreakGlass"):
        noted = {"agents.seconder.dev/decision": "allow", "agents.seconder.dev/reason": reason}
        logged.add(_event(event(annotations=noted)))
    assert {each.what for each in logged.entries} == {"Refused", "Allowed", "Emergency"}
    assert logged.refused.total() == 5_002
    assert logged.notes == ["2 more facts of the kind 'Refused' stand in the audit logs and are not listed"]


def test_approvals_that_were_refused_to_agents_crowd_out_no_true_one() -> None:
    """What came to nothing put no approval anywhere; were there too many all the same, that is told."""
    logged = Logged(_NOON - 60, _NOON + 60)

    def write(value: str, code: int) -> None:
        body = {"metadata": {"annotations": {"approval.seconder.dev/x": value}}}
        logged.add(_event(event("patch", requestObject=body, responseStatus={"code": code})))

    for number in range(1_001):
        write(f"forged {number}", (403, 504)[number % 2])
    write("true", 200)
    assert list(logged.values) == ["true"]
    assert logged.notes == []
    for number in range(1_000):
        write(f"more {number}", 200)
    assert logged.notes == ["the audit logs hold more than 1,000 approvals: the later ones are not listed"]


def test_a_patch_that_is_no_text_does_not_end_the_report() -> None:
    """The API server logs it as it came, and an agent may send any."""
    raw = line(event("patch", requestObject={"metadata": {"annotations": {"approval.seconder.dev/x": "XX"}}}))
    logged = Logged(_NOON - 60, _NOON + 60)
    logged.add(msgspec.json.decode(raw.replace(b"XX", b"\xff"), type=audit_log.Event))
    assert logged.values == {}


def test_a_deletion_that_only_its_address_calls_a_dry_run_is_told_as_it_was() -> None:
    """With a body, which is logged, the API server does not look at the address."""
    uri = "/x?dryRun=All"
    details = []
    for body in ({"kind": "DeleteOptions"}, {"kind": "DeleteOptions", "dryRun": ["All"]}):
        logged = Logged(_NOON - 60, _NOON + 60)
        logged.add(_event(event(annotations=_REFUSED, requestURI=uri, requestObject=body, level="Request")))
        details += [each.detail for each in logged.entries]
    assert details == ["delete: ApprovalMissing", "delete: ApprovalMissing (a dry run)"]


def test_facts_of_one_second_stand_in_their_order() -> None:
    """Signed, refused, allowed, used, where nothing tells more than the second."""
    entries = [Event(_AT, what, "x", "", "e") for what in ("Used", "Allowed", "Approved", "Signed")]
    told = Report(_NOON - 60, _NOON + 60, [], entries, []).timeline
    assert [each.what for each in told] == ["Signed", "Approved", "Allowed", "Used"]
    assert isinstance(told[0], Entry)


def test_what_was_let_through_by_approval_was_signed_for() -> None:
    """Where object and approval are gone, what the log tells of its use is enough to count one."""
    noted = {"decision": "allow", "reason": "Approved", "action": "Delete", "approvers": "alice@example.com"}
    notes = {f"agents.seconder.dev/{name}": value for name, value in noted.items()}
    logged = Logged(_NOON - 60, _NOON + 60)
    logged.add(msgspec.json.decode(line(event(annotations=notes)), type=audit_log.Event))
    shown = _Page(page(Report(_NOON - 60, _NOON + 60, [], [], [], logged), _MAKING)).text
    assert "1approvalssigned1letthroughbyapproval0" in re.sub(r"\s+", "", shown)
