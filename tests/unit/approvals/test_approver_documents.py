"""Approver documents: a key that cannot count stays visible, and no document keeps the others from counting."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support import signing

from seconder.approvals.approver_documents import approver
from seconder.approvals.registry import Approver, Registry

SPEC: dict[str, Any] = {
    "principal": "alice@example.com",
    "kubernetesUsers": ["alice@example.com"],
    "keys": [{"name": "laptop", "ssh": signing.key("alice").line}],
}


NAMED_ALONE = Approver("alice", "alice@example.com", frozenset())


def _approver(**change: Any) -> Approver | None:
    return approver({"metadata": {"name": "alice"}, "spec": SPEC | change})


def test_a_key_counts_until_its_time_is_over() -> None:
    """Seconds since 1970, whatever the zone it was written in."""
    key = SPEC["keys"][0] | {"notAfter": "2027-06-01T02:00:00+02:00"}
    found = _approver(keys=[key])
    assert found is not None
    assert found.keys[0].problem == ""
    assert found.keys[0].not_after == datetime(2027, 6, 1, tzinfo=UTC).timestamp()


def test_a_key_that_cannot_count_says_why() -> None:
    """The others beside it count."""
    bad = {"name": "old", "ssh": "ssh-dss AAAAB3NzaC1kc3MAAAAA"}
    jwk = {"name": "kms", "jwk": {"kty": "EC", "crv": "P-256", "kid": "k", "x": "A" * 43, "y": "A" * 43}}
    found = _approver(keys=[bad, *SPEC["keys"], jwk])
    assert found is not None
    assert [bool(key.problem) for key in found.keys] == [True, False, True]
    assert Registry([found]).usable == 1


def test_an_approver_that_cannot_be_parsed_approves_nothing() -> None:
    """No user names: nobody could tell whether this is a peer. Whoever it names is not absent, all the same."""
    changes: list[dict[str, Any]] = [
        {"kubernetesUsers": []}, {"principal": ""}, {"keys": []}, {"kubernetesUser": ["x"]},
        {"keys": [{"name": "k", "ssh": signing.key("alice").line, "notAfter": "2027-06-01T00:00:00"}]},
    ]  # fmt: skip
    found = [_approver(**change) for change in changes]
    assert found == [None if change == {"principal": ""} else NAMED_ALONE for change in changes]
    assert Registry([NAMED_ALONE]).usable == 0


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["0001-01-01T00:00:00+14:00"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["principal", "kubernetesUsers", "keys", "name", "ssh", "jwk", "notAfter"]), inner
        )
    ),
    max_leaves=12,
)


@given(_JUNK, _JUNK)
def test_no_document_is_too_odd_to_be_read(spec: Any, line: Any) -> None:
    """One that raised would keep all the others from being loaded."""
    approver({"metadata": {"name": "odd"}, "spec": spec})
    _approver(keys=[{"name": "k", "ssh": line, "notAfter": "0001-01-01T00:00:00+14:00"}])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40), st.binary(max_size=40))
def test_no_line_of_a_key_is_too_odd_to_be_read(text: str, raw: bytes) -> None:
    """It gets a problem instead."""
    for line in (f"ssh-ed25519 {text}", f"ssh-ed25519 {raw.hex()}", text or "x"):
        found = _approver(keys=[{"name": "k", "ssh": line}])
        assert found is None or found.keys[0].problem
