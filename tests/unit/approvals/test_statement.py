"""The statement: a closed claim set in one canonical form."""

import json
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import signing
from tests.support.change_requests import change

from seconder.api import constants
from seconder.api.reasons import Reason, Rejected
from seconder.approvals import statement, unsigned_statement
from seconder.approvals.unsigned_statement import UnsignedStatement

CHANGE = {"from": "ab" * 32, "to": "cd" * 32}
IMPACT = {"counts": {"persistentvolumeclaims": 0, "pods": 3}, "sha256": "ab" * 32}


def _parse(line: str | bytes) -> statement.Statement:
    return statement.parse(line if isinstance(line, bytes) else line.encode())


def _malformed(line: str | bytes) -> None:
    with pytest.raises(Rejected) as caught:
        _parse(line)
    assert caught.value.reason is Reason.APPROVAL_MALFORMED


def _bad(**changes: Any) -> None:
    _malformed(signing.line_of(signing.claims(**changes)))


def test_a_full_statement_is_read_claim_by_claim() -> None:
    """Every claim arrives as it was signed."""
    read = _parse(signing.line_of(signing.claims(txn="b2c4", detail={"impact": IMPACT})))
    assert (read.iss, read.sub, read.agent) == ("alice@example.com", signing.REQUESTER, "kiro")
    assert (read.iat, read.exp) == (signing.NOW - 100, signing.NOW + 800)
    assert (read.aud, read.txn, read.reason) == (signing.AUDIENCE, "b2c4", "INC-4821 decommission")
    detail = read.authorization_details[0]
    assert (detail.group, detail.resource, detail.namespace, detail.name) == (
        "apps",
        "deployments",
        "payments",
        "checkout",
    )
    assert isinstance(detail.impact, statement.NamedImpact)
    assert detail.impact.sha256 == "ab" * 32


def test_the_type_is_the_published_one() -> None:
    """The schema spells it out, since a type cannot be computed; it must not drift from the name."""
    assert _parse(signing.line_of(signing.claims())).authorization_details[0].type == constants.STATEMENT_TYPE


def test_optional_claims_may_be_left_out() -> None:
    """A cluster-scoped object has no namespace, an unnamed caller no act, a single approval no txn."""
    read = _parse(signing.line_of(signing.claims(act=None, detail={"namespace": None})))
    assert read.agent is None


@pytest.mark.parametrize("claim", ["aud", "authorization_details", "exp", "iat", "iss", "jti", "reason", "sub"])
def test_no_required_claim_may_be_missing_null_or_of_another_type(claim: str) -> None:
    """Absence is never a default."""
    _bad(**{claim: None})
    values: list[object] = [None, 7.5, True, [], {}, "", ["x"], {"sub": "x"}]
    for value in values:
        _malformed(signing.line_of(signing.claims() | {claim: value}))


@pytest.mark.parametrize("claim", ["actions", "group", "identifier", "name", "resource", "type"])
def test_no_part_of_the_object_may_be_missing_null_or_of_another_type(claim: str) -> None:
    """The object is named in full."""
    _bad(detail={claim: None})
    given_claims = signing.claims()
    values: list[object] = [None, 7, True, [], {}, ["x"], [7]]
    for value in values:
        changed = given_claims | {"authorization_details": [given_claims["authorization_details"][0] | {claim: value}]}
        _malformed(signing.line_of(changed))


def test_unknown_claims_are_refused_at_every_level() -> None:
    """A claim that this release does not understand might restrict the approval."""
    _bad(nbf=1)
    _bad(act={"sub": "kiro", "iss": "x"})
    _bad(detail={"locations": []})
    _bad(detail={"impact": IMPACT | {"note": 1}})


@pytest.mark.parametrize(
    "changes",
    [
        {"act": {}},
        {"act": {"sub": ""}},
        {"act": "kiro"},
        {"txn": ""},
        {"iss": "x" * 513},
        {"sub": "x" * 513},
        {"act": {"sub": "x" * 513}},
        {"aud": "x" * 254},
        {"aud": ["urn:uuid:0"]},
        {"txn": "x" * 254},
        {"iat": -1},
        {"exp": 2**53},
        {"exp": 10**30},
        {"exp": signing.NOW - 100},
        {"exp": signing.NOW - 101},
        {"jti": "a" * 21},
        {"jti": "a" * 65},
        {"jti": "a" * 30 + "+"},
        {"jti": "a" * 30 + "\n"},
        {"jti": "a" * 30 + "é"},
        {"reason": "x" * 257},
        {"authorization_details": []},
        {"authorization_details": signing.claims()["authorization_details"] * 2},
        {"detail": {"actions": []}},
        {"detail": {"actions": ["Delete", "Delete"]}},
        {"detail": {"actions": ["delete"]}},
        {"detail": {"actions": ["Change"]}},
        {"detail": {"actions": ["Delete"], "change": CHANGE}},
        {"detail": {"actions": ["Change", "Delete"], "change": CHANGE}},
        {"detail": {"actions": ["Change"], "change": CHANGE | {"to": "AB" * 32}}},
        {"detail": {"actions": ["Change"], "change": CHANGE | {"note": ""}}},
        {"detail": {"actions": ["Change"], "change": {"from": "ab" * 32}}},
        {"detail": {"actions": ["DELETE"]}},
        {"detail": {"actions": ["*"]}},
        {"detail": {"actions": "Delete"}},
        {"detail": {"namespace": ""}},
        {"detail": {"namespace": "x" * 64}},
        {"detail": {"identifier": ""}},
        {"detail": {"identifier": "x" * 129}},
        {"detail": {"name": ""}},
        {"detail": {"name": "x" * 254}},
        {"detail": {"resource": ""}},
        {"detail": {"group": "x" * 254}},
        {"detail": {"type": "https://seconder.dev/approval/v2"}},
        {"detail": {"impact": {}}},
        {"detail": {"impact": IMPACT | {"sha256": "AB" * 32}}},
        {"detail": {"impact": IMPACT | {"sha256": "ab" * 31}}},
        {"detail": {"impact": IMPACT | {"sha256": "ab" * 32 + "\n"}}},
        {"detail": {"impact": IMPACT | {"counts": {"Pods": 1}}}},
        {"detail": {"impact": IMPACT | {"counts": {"": 1}}}},
        {"detail": {"impact": IMPACT | {"counts": {"pods": -1}}}},
        {"detail": {"impact": IMPACT | {"counts": {"pods": 1.5}}}},
        {"detail": {"impact": IMPACT | {"counts": {f"k{n}": 1 for n in range(65)}}}},
        {"detail": {"impact": IMPACT | {"counts": []}}},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_every_claim_has_bounds(changes: dict[str, Any]) -> None:
    """Nothing empty, overlong, out of range or of a loose spelling."""
    _bad(**changes)


def test_the_longest_name_of_a_service_account_fits() -> None:
    """Otherwise its deletions could never be approved."""
    user = f"system:serviceaccount:{'n' * 63}:{'a' * 253}"
    assert _parse(signing.line_of(signing.claims(sub=user))).sub == user


def test_a_reason_holds_nothing_that_steers_the_display() -> None:
    """Control characters, bidi overrides, zero-width and line separators never reach a terminal or a log."""
    for character in "\x00\x07\x1b\n\r\t\x7f\x85\u200b\u200e\u202e\u2066\u2028\u2029\ufeff\U000e0041":
        _malformed(rfc8785.dumps(signing.claims(reason=f"a{character}b")) + b"\n")
    for reason in ("déjà vu", "理由　一", "a \U0001f600 b", '"quoted" \\ back', "x" * 256):
        assert _parse(signing.line_of(signing.claims(reason=reason))).reason == reason


def test_only_the_canonical_spelling_is_taken() -> None:
    """The same claims with spaces, another order, escapes, other numbers or duplicates are other bytes."""
    line = signing.line_of(signing.claims(detail={"impact": IMPACT}))
    _parse(line)
    given_claims = json.loads(line)
    for other in (
        json.dumps(given_claims, sort_keys=True) + "\n",
        json.dumps(dict(reversed(given_claims.items())), separators=(",", ":")) + "\n",
        line.replace('"alice@', '"\\u0061lice@'),
        line.replace("https://", "https:\\/\\/"),
        line.replace('"exp":1795320900', '"exp":1795320900.0'),
        line.replace('"exp":1795320900', '"exp":17953209e2'),
        line.replace('"exp":1795320900', '"exp":+1795320900'),
        line.replace('"exp":1795320900', '"exp":01795320900'),
        line.replace('"exp":1795320900', '"exp":"1795320900"'),
        line.replace('"exp":1795320900', '"exp":1795320900,"exp":1795320900'),
        line.replace('"exp":1795320900', '"exp":1,"exp":1795320900'),
        line.replace('"pods":3', '"pods":3,"pods":3'),
        line.replace('"pods":3', '"pods":-0'),
        line.replace('"sub":"kiro"', '"sub":"kiro","sub":"kiro"'),
        line.replace('"aud"', '"aud":"x","aud"'),
        " " + line,
        "\ufeff" + line,
        line.rstrip("\n") + " \n",
        line.rstrip("\n"),
        line + "\n",
        line.rstrip("\n") + "\r\n",
        line.replace("INC", "\\ud800"),
        line.replace("INC", "\\ud83d\\ude00"),
    ):
        assert other != line
        _malformed(other)


def test_bytes_that_are_no_text_are_refused() -> None:
    """Broken UTF-8 is malformed, wherever it stands."""
    line = signing.line_of(signing.claims()).encode()
    for at in range(0, len(line), 7):
        _malformed(line[:at] + b"\xff" + line[at:])
    _malformed(line.replace(b"INC", b"\xed\xa0\x80"))
    _malformed(b"")
    _malformed(b"\n")


@pytest.mark.parametrize("opening", ["[", '{"act":', '{"z":', '{"act":{"sub":', '{"authorization_details":['])
def test_deep_nesting_is_refused_like_anything_else(opening: str) -> None:
    """No depth reaches the parser's stack limit unnoticed."""
    for depth in (1, 100, 100_000):
        _malformed(opening * depth)
        _malformed(opening + "[" * depth)


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1, max_size=40)
TIMES = st.integers(0, 2**53 - 2)


@settings(max_examples=200, deadline=None)
@given(
    iss=st.text(min_size=1, max_size=60).filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text)),
    reason=TEXT,
    iat=TIMES,
    life=st.integers(1, 2**53),
    counts=st.dictionaries(st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True), TIMES, max_size=8),
)
def test_the_canonical_form_is_that_of_rfc_8785(
    iss: str, reason: str, iat: int, life: int, counts: dict[str, int]
) -> None:
    """An independent encoder's bytes are taken, and given back: whoever follows the RFC can sign."""
    exp = min(iat + life, 2**53 - 1)
    given_claims = signing.claims(
        iss=iss, reason=reason, iat=iat, exp=exp, detail={"impact": IMPACT | {"counts": counts}}
    )
    canonical = rfc8785.dumps(given_claims) + b"\n"
    assert statement.encode(_parse(canonical)) == canonical


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 2000), put=st.binary(max_size=6), length=st.integers(0, 6))
def test_a_changed_line_is_refused_or_is_canonical(at: int, put: bytes, length: int) -> None:
    """Whatever is taken is byte for byte what its claims encode to."""
    line = signing.line_of(signing.claims()).encode()
    start = at % len(line)
    changed = line[:start] + put + line[start + length :]
    try:
        read = _parse(changed)
    except Rejected:
        return
    assert statement.encode(read) == changed


def _unsigned(uid: str, **changes: Any) -> UnsignedStatement:
    target = msgspec.structs.replace(signing.DEPLOYMENT, uid=uid)
    return unsigned_statement.for_change(change(target=target, **changes), signing.AUDIENCE, f"txn-{uid}", None)


def test_one_statement_holds_several_objects_and_names_no_change_request() -> None:
    """Each is judged by its own element; one by itself keeps its change request."""
    several = unsigned_statement.together([_unsigned("1"), _unsigned("2")])
    assert [detail.identifier for detail in several.authorization_details] == ["1", "2"]
    assert several.txn is msgspec.UNSET
    assert unsigned_statement.together([_unsigned("1")]) == _unsigned("1")


@pytest.mark.parametrize("changes", [{"requester": "dana@example.com"}, {"agent": "other"}])
def test_one_statement_is_for_one_requester(changes: dict[str, Any]) -> None:
    """Whoever signs for one must not sign for another by it."""
    with pytest.raises(ValueError, match="different requesters"):
        unsigned_statement.together([_unsigned("1"), _unsigned("2", **changes)])
