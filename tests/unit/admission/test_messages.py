"""What a refused caller reads: what is missing and whom to ask, whatever was put into the names."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import AGENT, deletion, policy, state, target
from tests.support.resolving import decide

from seconder.admission.messages import ask_with_change_request, needs_approval, refused, whom_to_ask
from seconder.admission.principal import Principal
from seconder.admission.request import Caller
from seconder.admission.review import Effect
from seconder.api.policy import Requirement
from seconder.api.reasons import Reason
from seconder.api.resources import Action
from seconder.api.text import MAX_FIELD, clean
from seconder.approvals.change import Change
from seconder.approvals.quorum import Failure

KIRO = AGENT.username


def _effect(name: str = "checkout", namespace: str = "payments", uid: str = "6f0c") -> Effect:
    return Effect(Action.DELETE, target(name=name, namespace=namespace, uid=uid), "v1", {})


def _text(
    effect: Effect | None = None,
    user: str = KIRO,
    agent: str | None = "kiro",
    failures: tuple[Failure, ...] = (),
    **required: int,
) -> str:
    effect = effect or _effect()
    principal = Principal(user, True, agent, frozenset())
    asked = (required or {"p": 1}).items()
    unmet = [policy(name=name, requirement=Requirement(required=count)) for name, count in asked]
    text = needs_approval(principal, effect, Reason.APPROVAL_MISSING, unmet, failures, "")
    return f"{text}\n{whom_to_ask(effect, user, approvers=True)}"


def test_the_message_is_as_documented() -> None:
    """Four lines, the first with the reason code."""
    assert _text().splitlines() == [
        "Delete of deployments.apps payments/checkout needs approval by 1 peer (ApprovalMissing)",
        "object: deployments.apps payments/checkout, uid 6f0c",
        f"requester: {KIRO} (agent kiro)",
        f"Ask an approver: kubectl seconder approve deployment.apps/checkout -n payments --requester {KIRO}",
    ]


def test_the_most_peers_that_any_policy_asks_for_are_named() -> None:
    """Fewer would not do."""
    assert "approval by 3 peers (" in _text(a=1, b=3, c=2)


def test_each_failed_approval_has_its_own_reason() -> None:
    """One line each."""
    failures = (
        Failure("alice", Reason.APPROVAL_EXPIRED, "the approval has expired"),
        Failure("bob", Reason.WRONG_OBJECT, "the approval is for another object"),
    )
    assert _text(failures=failures).splitlines()[3:5] == [
        "approval alice: the approval has expired (ApprovalExpired)",
        "approval bob: the approval is for another object (WrongObject)",
    ]


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_of_a_client_adds_lines_or_steers_a_terminal(name: str, namespace: str, user: str, uid: str) -> None:
    """Names, user and agent as odd as they come."""
    failures = (Failure(user, Reason.APPROVAL_MALFORMED, "bad"),)
    texts = [_text(_effect(name, namespace, uid), user, name or None, failures)]
    asked = deletion(target(name=name or "x", namespace=namespace, uid=uid or "1"), Caller(user))
    texts.append(refused(asked, Principal(user, True, name, frozenset()), "what", Reason.PROTECTED_CONFIGURATION))
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
    command = _text(user="x; rm -rf ~").splitlines()[-1]
    assert command.endswith("--requester 'x; rm -rf ~'")


def _change(name: str = "checkout") -> Change:
    return Change(KIRO, True, "kiro", frozenset(), _effect(name).target, "v1", Action.DELETE, "", ())


def test_a_change_request_takes_the_place_of_the_long_command() -> None:
    """Its name is all that an approver needs."""
    change = _change()
    assert ask_with_change_request(change, approvers=True).splitlines() == [
        f"change request: {change.name}",
        f"Ask an approver: kubectl seconder approve {change.name}",
    ]


def test_nobody_is_sent_to_ask_whom_there_is_not() -> None:
    """With a change request or without."""
    nobody = whom_to_ask(_effect(), KIRO, approvers=False)
    assert "kubectl seconder" not in nobody
    assert ask_with_change_request(_change(), approvers=False).splitlines()[1] == nobody


def test_a_change_requests_name_is_chg_and_26_digits_that_do_not_look_alike() -> None:
    """128 bits in Crockford's base32."""
    name = _change().name
    assert re.fullmatch("chg-[0-9a-hjkmnp-tv-z]{26}", name)
    assert name == _change().name
    assert name != _change("other").name


def test_text_from_clients_is_stripped_of_what_moves_a_cursor() -> None:
    """No control and no bidi characters in a message, and nothing overlong."""
    caller = Caller("a\u202eb\x1b[31m\nc" + "d" * 1000, frozenset({"seconder.dev:agents"}))
    text = decide(deletion(target(name="x\u2066y"), caller), state(policy())).text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\u2066" not in text
    assert "ab[31mc" in text
    assert max(map(len, text.splitlines())) < 800
