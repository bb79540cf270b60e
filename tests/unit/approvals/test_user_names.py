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
from seconder.approvals.user_names import Identity, UserNames, by_extra, matches, may_be_an_account, meet, shared
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


_SAME = [
    ("amy@example.com", "Amy@Example.com"),
    ("6f1d2c3b-aaaa-4bbb-8ccc-0123456789ab", "6F1D2C3B-AAAA-4BBB-8CCC-0123456789AB"),
    ("CN=Doe\\, Amy,OU=People,DC=example", "cn=doe\\, amy,ou=people,dc=example"),
    ("amy@example.com", " amy@example.com\n"),
    ("am\u00e9lie", "AME\u0301LIE"),
    ("oidc:*@example.com", "OIDC:amy@EXAMPLE.com"),
    ("stra\u00dfe", "STRASSE"),
]
"""User names as an Approver has them, and as another login of the same person may."""


@pytest.mark.parametrize(("listed", "came"), _SAME, ids=[came.strip() for _, came in _SAME])
def test_a_name_in_another_spelling_is_the_same_persons(listed: str, came: str) -> None:
    """As requester, as recorded operator, in what tells a caller beside its name, and where two are compared."""
    assert came in UserNames([listed])
    assert by_extra([Identity("email", listed)], {"email": [came]})
    assert meet(listed, came)
    assert shared([("amy", listed), ("bob", came)]) == {"amy": (listed, "bob"), "bob": (came, "amy")}
    registry = Registry([_person("alice", listed)])
    assert registry.knows(came)
    context = signing.context(operators=frozenset({came}))
    with pytest.raises(Rejected) as rejected:
        verify("alice", signing.approval(), context, registry, signing.NOW, signing.memo())
    assert rejected.value.reason is Reason.SELF_APPROVAL


def test_a_person_registered_in_two_spellings_is_no_peer_of_themselves() -> None:
    """Two Approvers of one principal count in neither, as with one spelling."""
    twice = [_person("alice", "alice"), _person("bob", "bob")]
    object.__setattr__(twice[1], "principal", "Alice@Example.com")
    assert all(problem.startswith("Duplicate") for problem in Registry(twice).problems.values())


def test_a_pattern_that_fits_agents_accounts_is_seen() -> None:
    """By its beginning and its end; an exact name is what somebody meant."""
    wide = ("*:*", "system:*", "*e*", "System:ServiceAccount:ops:*", "*:kiro")
    narrow = ("*@example.com", "oidc:*", "arn:*", "system:serviceaccount:ci:approver", "*/amy")
    assert all(map(may_be_an_account, wide))
    assert not any(map(may_be_an_account, narrow))


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
    assert not names.meets([f"{_ROLE}/amy2", f"x{_ROLE}/amy", "oidc:amy", "amy", "axy"])


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
