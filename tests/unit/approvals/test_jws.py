"""Approvals as JSON Web Signatures: what counts, what is remembered, and how keys and kids belong to people."""

import dataclasses
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import jws, signing
from tests.support.jws import KINDS, Signer, signer
from tests.support.signing import NOW

from seconder.api.duration import Duration
from seconder.api.policy import Assurance, Requirement
from seconder.api.reasons import Reason, Rejected
from seconder.approvals import jws as core
from seconder.approvals import keys, statement, verification
from seconder.approvals.quorum import Verdict, judge, verify_all
from seconder.approvals.registry import DUPLICATE, DUPLICATE_KID, Approver, Registry
from seconder.approvals.verification import Approval, Memo, verify

ALICE, BOB = signer("alice"), signer("bob")


def _registry(*approvers: Approver) -> Registry:
    return Registry(approvers or (jws.approver("alice"), jws.approver("bob")))


def _verify(value: str, registry: Registry | None = None, memo: Memo | None = None, now: float = NOW) -> Approval:
    return verify("alice", value, signing.context(), registry or _registry(), now, memo or signing.memo())


def _reason(value: str, registry: Registry | None = None, memo: Memo | None = None, now: float = NOW) -> Reason:
    try:
        _verify(value, registry, memo, now)
    except Rejected as rejected:
        return rejected.reason
    return Reason.APPROVED


def _judged(
    registry: Registry, values: dict[str, str], required: int = 2, tier: Assurance = Assurance.SOFTWARE
) -> Verdict:
    presented = verify_all(values, signing.context(), registry, NOW, signing.memo())
    wanted = Requirement(required=required, max_ttl=Duration(3600), assurance=tier, bind_impact=False)
    return judge(presented, wanted, None)


@pytest.mark.parametrize("kind", KINDS)
def test_an_approval_by_a_json_web_key_counts(kind: str) -> None:
    """With its format, its key's type as metrics name it, and no more assurance than software gives."""
    by = signer("alice", kind)
    found = _verify(jws.approval(by), _registry(jws.approver("alice", by)))
    assert (found.slug, found.format, found.key_type) == ("alice", "jws", kind)
    assert found.assurance is Assurance.SOFTWARE
    assert found.key.approver.name == "alice"
    assert found.statement == statement.parse_line(jws.payload())


def test_both_names_of_ed25519_signatures_are_taken() -> None:
    """RFC 9864 gives the algorithm a name of its own; signers of either age exist."""
    for algorithm in ("EdDSA", "Ed25519"):
        value = jws.compact(ALICE, jws.header(ALICE, alg=algorithm), jws.payload())
        assert _verify(value).format == "jws"


def test_members_of_the_header_come_in_any_order() -> None:
    """No signer is asked to sort them."""
    names = list(jws.header(ALICE))
    for at in range(3):
        ordered = {name: jws.header(ALICE)[name] for name in names[at:] + names[:at]}
        assert _verify(jws.compact(ALICE, ordered, jws.payload())).format == "jws"


def test_the_two_envelopes_sign_the_same_line_each_in_its_own_way() -> None:
    """With its newline for SSH, without it here, and with nothing else behind it for either."""
    line = jws.payload()
    assert statement.parse_line(line) == statement.parse(line + b"\n")
    for end in (b"\n", b" ", b"x", b"\r\n"):
        with pytest.raises(Rejected):
            statement.parse_line(line + end)
    for end in (b"", b" ", b"x", b"\r", b"\r\n", b"\n\n"):
        with pytest.raises(Rejected):
            statement.parse(line + end)


def test_every_other_step_is_taken_too() -> None:
    """The envelope changes how a signature is read, and nothing else."""
    for changes, reason in (
        ({"iss": "bob@example.com"}, Reason.SIGNATURE_INVALID),
        ({"exp": NOW}, Reason.APPROVAL_EXPIRED),
        ({"iat": NOW + 61}, Reason.APPROVAL_NOT_YET_VALID),
        ({"exp": NOW + 7200}, Reason.LIFETIME_TOO_LONG),
        ({"aud": "urn:uuid:another"}, Reason.WRONG_CLUSTER),
        ({"detail": {"identifier": "another"}}, Reason.WRONG_OBJECT),
        ({"detail": {"actions": ["ScaleToZero"]}}, Reason.WRONG_ACTION),
        ({"sub": "somebody"}, Reason.WRONG_REQUESTER),
        ({"act": None}, Reason.WRONG_REQUESTER),
    ):
        assert _reason(jws.approval(**changes)) is reason, changes
    itself = dataclasses.replace(jws.approver("alice"), kubernetes_users=frozenset({signing.REQUESTER}))
    assert _reason(jws.approval(), _registry(itself)) is Reason.SELF_APPROVAL


def test_a_json_web_key_proves_no_touch() -> None:
    """Whoever asks for presence gets none from a key in software or in a KMS."""
    for tier in (Assurance.PRESENCE, Assurance.VERIFIED):
        verdict = _judged(_registry(), {"alice": jws.approval()}, required=1, tier=tier)
        assert verdict.reason is Reason.ASSURANCE_TOO_LOW


def test_a_value_has_at_most_8_kib() -> None:
    """Whoever signed it."""
    found = {}
    for count in range(40, 53):
        impact = {"counts": {f"{at:0112}": 0 for at in range(count)}, "sha256": "ab" * 32}
        value = jws.approval(detail={"impact": impact})
        found[len(value) <= 8192] = _reason(value)
    assert found == {True: Reason.APPROVED, False: Reason.APPROVAL_MALFORMED}


def test_metrics_tell_the_formats_apart() -> None:
    """By a closed set of labels: in what counts, in what fails at the envelope, and in what fails later."""
    es256 = signer("carol", "es256")
    registry = _registry(jws.approver("alice"), jws.approver("carol", es256))
    tampered = jws.approval()[:-4] + "AAAA"
    values = {
        "a": jws.approval(),
        "b": "eyJ.",
        "c": tampered,
        "d": jws.approval(es256, iss="carol@example.com", sub="else"),
        "e": "{",
        "f": jws.approval(signer("eve")),
    }
    verdict = _judged(registry, values, required=1)
    assert [(each.format, each.key_type) for each in verdict.counted] == [("jws", "ed25519")]
    assert {each.slug: (each.reason, each.format, each.key_type) for each in verdict.failures} == {
        "b": (Reason.APPROVAL_MALFORMED, "jws", ""),
        "c": (Reason.SIGNATURE_INVALID, "jws", "ed25519"),
        "d": (Reason.WRONG_REQUESTER, "jws", "es256"),
        "e": (Reason.APPROVAL_MALFORMED, "ssh", ""),
        "f": (Reason.APPROVER_UNKNOWN, "jws", ""),
    }


def test_what_a_rejection_says_holds_no_text_of_the_value() -> None:
    """The message goes to the requester's terminal."""
    protected = jws.header(ALICE, kid="SECRETWORD", crit=["SECRETWORD"])
    for value in (
        jws.compact(ALICE, protected, jws.payload(reason="SECRETWORD")),
        jws.compact(ALICE, jws.header(ALICE, alg="SECRETWORD"), jws.payload()),
        jws.compact(ALICE, jws.header(ALICE, typ="SECRETWORD"), jws.payload()),
        jws.compact(ALICE, jws.header(ALICE, kid="SECRETWORD"), jws.payload()),
    ):
        with pytest.raises(Rejected) as caught:
            _verify(value)
        assert "SECRETWORD" not in caught.value.detail


# Whose key, and which


def test_a_kid_in_two_approvers_counts_in_neither() -> None:
    """Nobody can tell which of them it names; other keys of both still count."""
    stolen = jws.approver("bob", Signer("alice", BOB.private), signer("bob-2"))
    registry = _registry(jws.approver("alice", ALICE, signer("alice-2")), stolen)
    assert registry.problems["alice", "kms-0"] == registry.problems["bob", "kms-0"] == DUPLICATE_KID
    assert registry.problems["alice", "kms-1"] == registry.problems["bob", "kms-1"] == ""
    assert _reason(jws.approval(), registry) is Reason.APPROVER_NOT_ALLOWED
    assert (
        _reason(jws.approval(Signer("alice", BOB.private), iss="bob@example.com"), registry)
        is Reason.APPROVER_NOT_ALLOWED
    )
    assert _reason(jws.approval(signer("alice-2")), registry) is Reason.APPROVED


def test_a_kid_of_two_keys_of_one_approver_counts_for_neither() -> None:
    """Which of them was meant would depend on their order."""
    first, second = signer("alice"), signer("alice", "es256")
    registry = _registry(jws.approver("alice", first, second))
    for by in (first, second):
        assert _reason(jws.approval(by), registry) is Reason.APPROVER_NOT_ALLOWED


def test_a_kid_of_an_unusable_key_is_taken_all_the_same() -> None:
    """A damaged entry may have meant another key."""
    damaged = dataclasses.replace(jws.entry(signer("alice", number=1), "old"), blob=b"", public=None, problem="damaged")
    for held in ((jws.entry(ALICE), damaged), (damaged, jws.entry(ALICE))):
        registry = _registry(signing.approver("alice", *held))
        assert _reason(jws.approval(), registry) is Reason.APPROVER_NOT_ALLOWED
    alone = _registry(signing.approver("alice", damaged))
    assert _reason(jws.approval(), alone) is Reason.APPROVER_NOT_ALLOWED
    assert (registry.usable, alone.usable) == (0, 0)


def test_a_key_under_one_kid_twice_or_under_two_counts() -> None:
    """There is no doubt about which key is meant."""
    other = Signer("alice-new", ALICE.private)
    registry = _registry(jws.approver("alice", ALICE, ALICE, other))
    assert registry.usable == 1
    for by in (ALICE, other):
        assert _reason(jws.approval(by), registry) is Reason.APPROVED


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_two_approvers_counts_in_neither_whatever_the_notation(kind: str) -> None:
    """One key must not be two people."""
    by = signer("alice", kind)
    registry = _registry(jws.approver("alice", by), signing.approver("bob", signing.entry(by.line)))
    assert registry.problems["alice", "kms-0"] == registry.problems["bob", "key"] == DUPLICATE
    assert _reason(jws.approval(by), registry) is Reason.APPROVER_NOT_ALLOWED
    assert registry.usable == 0


def _both(ssh_end: float | None = None, jws_end: float | None = None) -> tuple[Signer, Registry]:
    """Give one key of alice's that is registered in both notations."""
    by = signer("alice", "ed25519", 2)
    held = (signing.entry(by.line, "ssh", ssh_end), jws.entry(by, "jwk", jws_end))
    return by, _registry(signing.approver("alice", *held), jws.approver("bob"))


def _ssh_signed(by: Signer, **changes: str) -> str:
    line = signing.line_of(signing.claims(**changes))
    digest = signing.string(b"k8s-approval@seconder.dev") + signing.string(b"") + signing.string(b"sha512")
    signed = b"SSHSIG" + digest + signing.string(hashlib.sha512(line.encode()).digest())
    inner = signing.string(b"ssh-ed25519") + signing.string(by.sign(signed))
    return line + signing.armor(signing.sshsig_blob(keys.blob_of_line(by.line), inner))


def test_a_key_in_both_notations_signs_either_and_is_one_key() -> None:
    """Two signatures by it are one peer; with another person's they are two."""
    by, registry = _both()
    values = {"one": _ssh_signed(by, txn="chg"), "two": jws.approval(by, txn="chg")}
    assert len(_judged(registry, values, required=1).counted) == 1
    assert _judged(registry, values).reason is Reason.QUORUM_NOT_REACHED
    values["three"] = jws.approval(BOB, iss="bob@example.com", txn="chg")
    assert len(_judged(registry, values).counted) == 2


@pytest.mark.parametrize("ends", [(NOW, None), (None, NOW), (NOW, NOW + 900), (NOW + 900, NOW)])
def test_the_first_end_of_either_notation_ends_both(ends: tuple[float | None, float | None]) -> None:
    """Whoever set an end to one of the entries meant the key."""
    by, registry = _both(*ends)
    for value in (_ssh_signed(by), jws.approval(by)):
        assert _reason(value, registry, now=NOW - 1) is Reason.APPROVED
        assert _reason(value, registry, now=NOW) is Reason.KEY_REVOKED


def test_a_key_signs_only_in_the_notation_in_which_it_is_registered() -> None:
    """An SSH key makes no JSON Web Signature that counts, under no kid one could think of, and the other way round."""
    by = signer("alice", "ed25519", 2)
    as_ssh = _registry(signing.approver("alice", signing.entry(by.line)))
    as_jwk = _registry(jws.approver("alice", by))
    assert _reason(_ssh_signed(by), as_ssh) is Reason.APPROVED
    assert _reason(jws.approval(by), as_jwk) is Reason.APPROVED
    assert _reason(_ssh_signed(by), as_jwk) is Reason.APPROVER_UNKNOWN
    for kid in ("alice", "key", "alice@example.com", "", by.line, keys.parse_line(by.line).fingerprint):
        assert _reason(jws.approval(Signer(kid, by.private)), as_ssh) is Reason.APPROVER_UNKNOWN


# What is remembered


def test_a_remembered_signature_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arithmetic is done once."""
    memo = signing.memo()
    first = _verify(jws.approval(), memo=memo)
    monkeypatch.setattr(core, "verify_signature", None)
    assert _verify(jws.approval(), memo=memo) == first


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_remembered_under_a_key_that_was_replaced_is_a_bad_one(kind: str) -> None:
    """The kid stays, the key under it is another: what was verified before proves nothing now."""
    memo, value = signing.memo(), jws.approval()
    usual, replaced = _registry(), _registry(jws.approver("alice", signer("alice", kind, 1)))
    for _ in range(2):
        assert _reason(value, usual, memo) is Reason.APPROVED
        assert _reason(value, replaced, memo) is Reason.SIGNATURE_INVALID
        assert _reason(value, replaced, memo) is Reason.SIGNATURE_INVALID
    assert _reason(jws.approval(signer("alice", kind, 1)), replaced, memo) is Reason.APPROVED


def test_a_remembered_signature_excuses_from_no_other_step() -> None:
    """Who holds the kid, and whether it counts, is looked up on each use."""
    memo, value = signing.memo(), jws.approval()
    assert _reason(value, memo=memo) is Reason.APPROVED
    moved = signing.approver("bob", jws.entry(ALICE))
    ended = signing.approver("alice", jws.entry(ALICE, not_after=NOW))
    for registry, reason in (
        (_registry(moved), Reason.SIGNATURE_INVALID),
        (_registry(ended), Reason.KEY_REVOKED),
        (_registry(jws.approver("bob")), Reason.APPROVER_UNKNOWN),
        (_registry(signing.approver("alice", signing.entry(ALICE.line))), Reason.APPROVER_UNKNOWN),
        (_registry(jws.approver("alice"), moved), Reason.APPROVER_NOT_ALLOWED),
    ):
        assert _reason(value, registry, memo) is reason
    assert _reason(value, memo=memo, now=NOW + 800) is Reason.APPROVAL_EXPIRED


_SIGNERS = [signer(kid, kind, number) for kid in ("alice", "bob") for kind in KINDS for number in range(2)]
_WORLDS = st.lists(
    st.builds(
        lambda alices, bobs: _registry(jws.approver("alice", *alices), jws.approver("bob", *bobs)),
        st.lists(st.sampled_from(_SIGNERS), min_size=1, max_size=2),
        st.lists(st.sampled_from(_SIGNERS), min_size=1, max_size=2),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(_WORLDS, st.lists(st.sampled_from(_SIGNERS), min_size=1, max_size=3))
def test_no_memory_changes_a_verdict(worlds: list[Registry], signers: list[Signer]) -> None:
    """However the registry changes between uses: with the memory as without."""
    memo = signing.memo()
    for registry in worlds:
        for by in signers:
            for iss in ("alice@example.com", "bob@example.com"):
                value = jws.approval(by, iss=iss)
                assert _reason(value, registry, memo) is _reason(value, registry)


def test_only_verified_values_are_remembered() -> None:
    """Neither a bad signature nor a stranger's good one pushes anything out."""
    memo = Memo(1)
    value = jws.approval()
    _verify(value, memo=memo)
    for other in (value[:-4] + "AAAA", jws.approval(signer("eve"))):
        assert _reason(other, memo=memo) is not Reason.APPROVED
    assert verification.examine(value, _registry(), NOW, memo).envelope is None


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(0, 10_000),
    st.sampled_from(["replace", "insert", "delete"]),
    st.characters(codec="utf-8") | st.sampled_from("ABCDwxyz0189-_=+/. \n"),
)
def test_any_change_of_one_character_is_refused(kind: str, at: int, how: str, character: str) -> None:
    """Nothing in a token is free to choose."""
    by = signer("alice", kind)
    value = jws.approval(by)
    at %= len(value)
    changed = value[:at] + ("" if how == "delete" else character) + value[at + (how != "insert") :]
    if changed != value:
        assert _reason(changed, _registry(jws.approver("alice", by))) is not Reason.APPROVED
