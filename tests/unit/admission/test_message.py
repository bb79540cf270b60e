"""What a refused caller reads: what is missing and whom to ask, whatever was put into the names."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from seconder.admission.messages import ask_with_change_request, needs_approval, refused, whom_to_ask
from seconder.admission.principal import Requester
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import Policy, Requirement
from seconder.api.reasons import Reason
from seconder.api.resources import Action, GroupResource, Target
from seconder.api.text import MAX_FIELD, clean
from seconder.approvals.change import Change
from seconder.approvals.quorum import Failure

KIRO = "system:serviceaccount:seconder-agents:kiro"


def _request(name: str = "checkout", namespace: str = "payments", user: str = KIRO, uid: str = "6f0c") -> Request:
    target = Target(GroupResource("apps", "deployments"), "Deployment", namespace, name, uid)
    return Request("r", Operation.DELETE, target, "", Caller(user), "", False, {}, {})


def _text(request: Request, agent: str | None = "kiro", failures: tuple[Failure, ...] = (), **required: int) -> str:
    requester = Requester(request.caller.username, True, agent, frozenset())
    policies = [Policy(name, requirement=Requirement(required=count)) for name, count in (required or {"p": 1}).items()]
    reason = Reason.APPROVAL_MISSING
    text = needs_approval(request, requester, Action.DELETE, reason, policies, failures, "")
    return f"{text}\n{whom_to_ask(request, Action.DELETE, approvers=True)}"


def test_the_message_is_as_documented() -> None:
    """Four lines, the first with the reason code."""
    assert _text(_request()).splitlines() == [
        "Delete of deployments.apps payments/checkout needs approval by 1 peer (ApprovalMissing)",
        "object: deployments.apps payments/checkout, uid 6f0c",
        f"requester: {KIRO} (agent kiro)",
        f"Ask an approver: kubectl seconder approve deployment.apps/checkout -n payments --requester {KIRO}",
    ]


def test_the_most_peers_that_any_policy_asks_for_are_named() -> None:
    """Fewer would not do."""
    assert "approval by 3 peers (" in _text(_request(), a=1, b=3, c=2)


def test_each_failed_approval_has_its_own_reason() -> None:
    """One line each."""
    failures = (
        Failure("alice", Reason.APPROVAL_EXPIRED, "the approval has expired"),
        Failure("bob", Reason.WRONG_OBJECT, "the approval is for another object"),
    )
    assert _text(_request(), failures=failures).splitlines()[3:5] == [
        "approval alice: the approval has expired (ApprovalExpired)",
        "approval bob: the approval is for another object (WrongObject)",
    ]


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_of_a_client_adds_lines_or_steers_a_terminal(name: str, namespace: str, user: str, uid: str) -> None:
    """Names, user and agent as odd as they come."""
    request = _request(name, namespace, user, uid)
    texts = [_text(request, agent=name or None, failures=(Failure(user, Reason.APPROVAL_MALFORMED, "bad"),))]
    requester = Requester(user, True, name, frozenset())
    texts.append(refused(request, requester, "what", Reason.PROTECTED_CONFIGURATION))
    for text, lines in zip(texts, (5, 3), strict=True):
        assert len(text.split("\n")) == lines
        steering = {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert not [character for character in text if unicodedata.category(character) in steering - {"Cc"}]
        assert not [character for character in text.replace("\n", "") if unicodedata.category(character) == "Cc"]


@given(st.text())
def test_cleaning_twice_is_cleaning_once_but_for_length(text: str) -> None:
    """And nothing overlong is left."""
    once = clean(text)
    assert once.isprintable()
    assert len(once) <= MAX_FIELD + len("...")
    assert clean(once[:MAX_FIELD]) == once[:MAX_FIELD]


def test_a_name_that_is_a_command_is_quoted() -> None:
    """The line is made to be pasted into a shell."""
    command = _text(_request(user="x; rm -rf ~")).splitlines()[-1]
    assert command.endswith("--requester 'x; rm -rf ~'")


def _change(name: str = "checkout") -> Change:
    target = Target(GroupResource("apps", "deployments"), "Deployment", "payments", name, "6f0c")
    return Change(KIRO, True, "kiro", frozenset(), target, "v1", Action.DELETE, "", ())


def test_a_change_request_takes_the_place_of_the_long_command() -> None:
    """Its name is all that an approver needs."""
    change = _change()
    assert ask_with_change_request(change, whom_to_ask(_request(), Action.DELETE, approvers=True)).splitlines() == [
        f"change request: {change.name}",
        f"Ask an approver: kubectl seconder approve {change.name}",
    ]


def test_nobody_is_sent_to_ask_whom_there_is_not() -> None:
    """With a change request or without."""
    nobody = whom_to_ask(_request(), Action.DELETE, approvers=False)
    assert "kubectl seconder" not in nobody
    assert ask_with_change_request(_change(), nobody).splitlines()[1] == nobody


def test_a_change_requests_name_is_chg_and_26_digits_that_do_not_look_alike() -> None:
    """128 bits in Crockford's base32."""
    name = _change().name
    assert re.fullmatch("chg-[0-9a-hjkmnp-tv-z]{26}", name)
    assert name == _change().name
    assert name != _change("other").name
