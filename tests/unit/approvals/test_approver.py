"""The registry: whose key a key is, and whether it counts."""

import base64

from tests.support import signing
from tests.support.signing import approver, entry, string

from seconder.approvals import keys
from seconder.approvals.registry import DUPLICATE, Approver, KeyEntry, Registry

ALICE = signing.key("alice")
BOB = signing.key("bob")


def _problem(registry: Registry, blob: bytes) -> str:
    found = registry.find(blob)
    assert found is not None
    return found.problem


def test_a_key_is_found_by_its_exact_encoding() -> None:
    """With the person behind it; anything else, however close, is unknown."""
    registry = signing.registry()
    found = registry.find(ALICE.blob)
    assert found is not None
    assert (found.approver.principal, found.problem) == ("alice@example.com", "")
    other = ALICE.blob[:-1] + bytes([ALICE.blob[-1] ^ 1])
    for blob in (b"", ALICE.blob + b"\x00", ALICE.blob[:-1], other, signing.key("eve").blob):
        assert registry.find(blob) is None
    assert registry.usable == 2


def test_an_empty_registry_knows_nobody() -> None:
    """And says so, for the message to the refused caller."""
    registry = Registry([])
    assert registry.usable == 0
    assert registry.find(ALICE.blob) is None
    assert registry.find(b"") is None


def test_a_key_in_two_approvers_counts_in_neither() -> None:
    """One key must not be two people; other keys of both still count."""
    registry = Registry(
        [
            approver("alice", entry(ALICE.line, "shared"), entry(signing.key("alice", "ecdsa", 256).line, "own")),
            approver("bob", entry(ALICE.line, "stolen"), entry(BOB.line, "own")),
        ]
    )
    assert _problem(registry, ALICE.blob) == DUPLICATE
    assert _problem(registry, BOB.blob) == ""
    assert registry.problems["alice", "shared"] == registry.problems["bob", "stolen"] == DUPLICATE
    assert registry.usable == 2


def test_a_principal_in_two_approvers_counts_in_neither() -> None:
    """One person must not be two approvers either, whatever their keys."""
    twin = Approver("alice-2", "alice@example.com", frozenset({"alice@example.com"}), keys=(entry(BOB.line),))
    registry = Registry([approver("alice"), twin])
    assert _problem(registry, ALICE.blob).startswith("Duplicate")
    assert _problem(registry, BOB.blob).startswith("Duplicate")
    assert registry.usable == 0


def test_keys_of_one_name_keep_their_own_problems() -> None:
    """A sound key does not lend its soundness to another that is called the same."""
    registry = Registry([approver("alice", entry(ALICE.line, "same"), entry(BOB.line, "same")), approver("alice2")])
    stolen = Registry(
        [approver("alice", entry(ALICE.line, "same"), entry(BOB.line, "same")), approver("eve", entry(ALICE.line))]
    )
    assert _problem(registry, ALICE.blob) == ""
    assert _problem(stolen, ALICE.blob) == DUPLICATE
    assert _problem(stolen, BOB.blob) == ""


def test_a_key_listed_twice_by_one_approver_ends_with_the_first_of_its_ends() -> None:
    """Whoever set an end to one of the entries meant the key."""
    ends = (None, 50.0, 100.0)
    for first in ends:
        for second in ends:
            registry = Registry([approver("alice", entry(ALICE.line, "one", first), entry(ALICE.line, "two", second))])
            found = registry.find(ALICE.blob)
            assert found is not None
            given = [end for end in (first, second) if end is not None]
            assert found.entry.not_after == (min(given) if given else None)


def test_an_unusable_key_is_known_by_its_blob_and_its_problem() -> None:
    """So that its owner reads what is wrong, not that the key is unknown."""
    weak = string(b"ssh-ed25519") + string(b"\x01" + b"\x00" * 31)
    registry = Registry([approver("alice", entry(f"ssh-ed25519 {base64.b64encode(weak).decode()}"))])
    assert "small order" in _problem(registry, weak)
    assert registry.usable == 0


def test_a_key_that_cannot_be_read_at_all_is_listed_but_never_found() -> None:
    """Two such keys have no encoding in common: they are no duplicates."""
    broken = KeyEntry("broken", b"", None, "", None, "no base64")
    registry = Registry([approver("alice", broken), approver("bob", broken)])
    assert registry.find(b"") is None
    assert registry.problems["alice", "broken"] == "no base64"


def test_an_approver_without_a_user_name_or_principal_approves_nothing() -> None:
    """Nobody could tell whether such a person is the requester."""
    for nobody in (
        Approver("alice", "alice@example.com", frozenset(), keys=(entry(ALICE.line),)),
        Approver("alice", "", frozenset({"alice"}), keys=(entry(ALICE.line),)),
    ):
        registry = Registry([nobody])
        assert _problem(registry, ALICE.blob)
        assert registry.usable == 0


def test_the_fingerprint_of_an_entry_is_that_of_its_key() -> None:
    """The status shows what ssh-keygen -l shows."""
    assert entry(ALICE.line).fingerprint == keys.parse_line(ALICE.line).fingerprint
