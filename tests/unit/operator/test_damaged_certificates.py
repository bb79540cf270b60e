"""Whatever was stored, the operator comes back to certificates that verify; it never gets stuck on them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from seconder.operator import certificates
from seconder.operator.certificates import Material, Terms, advance, create, encoded, restored, trusted

START = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = Terms(("127.0.0.1",))
NOTE = "seconder.dev/trusted-at"


def _secrets(material: Material) -> tuple[dict[str, Any], dict[str, Any]]:
    (ca, ca_notes), (leaf, leaf_notes) = certificates.authority_secret(material), certificates.serving_secret(material)
    return (
        {"data": ca, "metadata": {"annotations": ca_notes}},
        {"data": leaf, "metadata": {"annotations": leaf_notes}},
    )


def _settles(authority: Any, serving: Any, now: datetime) -> Material:
    """Take every step that is due, storing and reading back between; each must verify."""
    for _ in range(8):
        material = advance(restored(authority, serving, TERMS, now), TERMS, now)
        leaf = material.serving.x509
        bundle = [x509.load_pem_x509_certificate(each) for each in material.trusted]
        assert any(each.subject == leaf.issuer and _signed(leaf, each) for each in bundle)
        assert leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc
        authority, serving = _secrets(trusted(material, now))
        now += TERMS.settle
    assert len(material.trusted) == 1
    return material


def _signed(leaf: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(by)
    except Exception:  # noqa: BLE001 - several types, each of which means no
        return False
    return True


GOOD = trusted(create(TERMS, START), START)


@pytest.mark.parametrize("field", ["tls.crt", "tls.key", "ca.crt"])
@pytest.mark.parametrize("value", [None, "", "====", encoded(b"no PEM"), encoded(b"\xff")])
@pytest.mark.parametrize("which", [0, 1])
def test_any_damaged_field_is_mended(which: int, field: str, value: str | None) -> None:
    """In either Secret."""
    secrets = _secrets(GOOD)
    secrets[which]["data"][field] = value
    _settles(*secrets, START + timedelta(days=1))


@pytest.mark.parametrize("kept", [(False, False), (True, False), (False, True)])
def test_lost_secrets_are_made_anew(kept: tuple[bool, bool]) -> None:
    """Either, or both."""
    authority, serving = _secrets(GOOD)
    _settles(authority if kept[0] else None, serving if kept[1] else None, START + timedelta(days=1))


@pytest.mark.parametrize("empty", [{}, {"data": None}, {"data": {}, "metadata": {}}])
def test_empty_secrets_are_as_none(empty: dict[str, Any]) -> None:
    """Somebody made them by hand."""
    _settles(empty, empty, START)


@pytest.mark.parametrize("days", [91, 500, 731, 5000])
@pytest.mark.parametrize("with_leaf", [True, False])
def test_an_operator_that_was_away_for_long_starts_over(days: int, with_leaf: bool) -> None:
    """With a leaf, a CA or both past their end, or the leaf lost."""
    authority, serving = _secrets(GOOD)
    _settles(authority, serving if with_leaf else None, START + timedelta(days=days))


@pytest.mark.parametrize("note", ["", "yesterday", "2026-01-01T00:00:00"])
def test_a_note_that_is_no_time_of_ours_does_not_stop_a_rotation(note: str) -> None:
    """The step is given its time anew."""
    authority, serving = _secrets(trusted(advance(GOOD, TERMS, START, renew_ca=True), START))
    authority["metadata"]["annotations"][NOTE] = note
    assert _settles(authority, serving, START).authority != GOOD.authority


def test_a_pair_without_names_is_replaced() -> None:
    """Somebody put their own certificate there, and it serves nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mine")])
    own = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START - timedelta(days=1))
        .not_valid_after(START + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    authority, serving = _secrets(GOOD)
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    serving["data"] |= {"tls.crt": encoded(own.public_bytes(pem)), "tls.key": encoded(private)}
    assert _settles(authority, serving, START).serving.certificate != own.public_bytes(pem)
