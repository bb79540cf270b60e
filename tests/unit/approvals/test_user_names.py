"""Under which user names a person makes requests."""

import re
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.support import signing

from seconder.admission.policy_index import PolicyIndex
from seconder.admission.request import Caller
from seconder.admission.state import ClusterState
from seconder.api.reasons import Reason, Rejected
from seconder.approvals.registry import Approver, Registry, shared_names
from seconder.approvals.user_names import Identity, UserNames, matches, shared
from seconder.approvals.verification import verify

_ROLE = "arn:aws:sts::111122223333:assumed-role/Admin"
_texts = st.text("ab:", max_size=9)
_patterns = st.text("ab:*", min_size=1, max_size=7)


def _person(name: str, *users: str, identities: tuple[Identity, ...] = ()) -> Approver:
    keys = (signing.entry(signing.key(name).line),)
    return Approver(name, f"{name}@example.com", frozenset(users), keys=keys, identities=identities)


@given(_patterns, _texts)
def test_a_pattern_means_what_the_regular_expression_means(pattern: str, text: str) -> None:
    """A star stands for any characters, and everything else for itself."""
    expected = re.fullmatch(".*".join(re.escape(piece) for piece in pattern.split("*")), text, re.DOTALL)
    assert matches(pattern, text) is bool(expected)


@given(st.lists(st.tuples(st.sampled_from(["amy", "bob", "cyn"]), _patterns), max_size=4), _texts)
def test_whoever_shares_a_name_is_told(names: list[tuple[str, str]], text: str) -> None:
    """No text stands for two approvers without each being told of the other's name."""
    holders = {owner for owner, name in names if matches(name, text)}
    if len(holders) > 1:
        assert holders <= shared(names).keys()


def test_a_pattern_costs_no_more_than_its_length() -> None:
    """Where a regular expression would try again from every place."""
    pattern, name = "*a" * 126 + "b", "a" * 253
    started = time.perf_counter()
    for _ in range(100):
        assert not matches(pattern, name)
    assert time.perf_counter() - started < 1


def test_only_exact_names_and_stars_match() -> None:
    """A name without a star is no prefix, and a principal's star is a character."""
    names = UserNames([f"{_ROLE}/amy", "oidc:*:amy"], ["a*y"])
    assert all(name in names for name in (f"{_ROLE}/amy", "oidc:corp:amy", "a*y"))
    assert not names.meets([f"{_ROLE}/amy2", f"x{_ROLE}/amy", "oidc:amy", "amy", "AMY", "axy"])


def test_nobody_approves_what_a_session_of_their_own_asks() -> None:
    """By a pattern, by the principal, or by what tells the requester beside its name; a peer still does."""
    registry = Registry([_person("alice", f"{_ROLE}/*-alice"), _person("bob", "bob")])
    for changes in (
        {"operators": frozenset({f"{_ROLE}/1764233000-alice"})},
        {"operators": frozenset({"alice@example.com"})},
        {"principals": frozenset({"alice@example.com"})},
    ):
        context = signing.context(**changes)
        with pytest.raises(Rejected) as rejected:
            verify("alice", signing.approval(), context, registry, signing.NOW, signing.memo())
        assert rejected.value.reason is Reason.SELF_APPROVAL
        peer = signing.approval(signing.key("bob"), iss="bob@example.com")
        assert verify("bob", peer, context, registry, signing.NOW, signing.memo()).slug == "bob"


def test_a_caller_is_told_by_what_stays_the_same_of_it() -> None:
    """Whatever its user name says, whichever case its keys have come in, and anew for each caller."""
    amy = _person("amy", "amy", identities=(Identity("canonicalArn", "arn:aws:iam::*:role/amy"),))
    state = ClusterState(PolicyIndex([]), Registry([amy, _person("bob", "bob")]), {}, "", None)  # type: ignore[arg-type]
    for key in ("canonicalArn", "canonicalarn"):
        for value, principals in (("arn:aws:iam::1:role/amy", {"amy@example.com"}), ("arn:aws:iam::1:role/bob", set())):
            caller = Caller("session", extra={key: ("", value)})
            assert state.principal(caller).principals == principals


def test_a_name_that_stands_for_two_is_told_on_both() -> None:
    """Exact names, patterns and identities; those of one approver do not count against each other."""
    names = {"amy": (f"{_ROLE}/*", "a"), "bob": (f"{_ROLE}/bob", "b"), "cyn": ("c", "c*c"), "dan": ("d", "*/b*b")}
    told = shared_names([_person(name, *users) for name, users in names.items()])
    assert told.keys() == {"amy", "bob", "dan"}
    both = (Identity("ARN", "x*"),), (Identity("arn", "*y"),)
    told = shared_names([_person(name, name, identities=each) for name, each in zip("ab", both, strict=True)])
    assert told.keys() == {"a", "b"}


def test_five_thousand_approvers_with_patterns_are_compared_in_seconds() -> None:
    """As many as an organisation has, all of one role."""
    names = [(f"p{number}", f"{_ROLE}/*/p{number}@example.com") for number in range(5000)]
    started = time.perf_counter()
    assert shared(names) == {}
    assert time.perf_counter() - started < 5
