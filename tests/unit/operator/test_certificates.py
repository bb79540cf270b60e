"""Certificates over simulated years: at no moment is a pair served that the trusted bundle does not verify.

Whatever was stored, the operator comes back to certificates that verify; it never gets stuck on them.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from seconder.operator import certificates
from seconder.operator.certificates import Material, Terms, advance, create, encoded, restored, trusted

START = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = Terms(("seconder-webhook.seconder-system.svc", "127.0.0.1"))


def _verifies(material: Material) -> bool:
    leaf = material.serving.x509
    for each in material.trusted:
        authority = x509.load_pem_x509_certificate(each)
        try:
            leaf.verify_directly_issued_by(authority)
        except Exception:  # noqa: BLE001, S112 - the library raises several types, and each means no
            continue
        return True
    return False


def _secret(pair: tuple[dict[str, str], dict[str, str]]) -> dict[str, Any]:
    data, annotations = pair
    return {"data": data, "metadata": {"annotations": annotations}}


def test_years_pass_and_every_step_verifies() -> None:
    """Leaf and CA are renewed in time; a new CA is trusted before it is used, and the old one goes last."""
    now, material = START, trusted(create(TERMS, START), START)
    authorities, leaves = set(), set()
    for _ in range(4 * 365):
        now += timedelta(days=1)
        previous = material
        material = trusted(advance(material, TERMS, now), now)
        assert _verifies(material), now
        assert now < material.serving.x509.not_valid_after_utc
        if material.authority != previous.authority:
            assert material.serving == previous.serving
            assert previous.trusted[0] in material.trusted
        if len(material.trusted) < len(previous.trusted):
            assert material.serving == previous.serving
        authorities.add(material.authority.certificate)
        leaves.add(material.serving.certificate)
    assert len(authorities) >= 3
    assert len(leaves) >= 20


def test_a_new_ca_is_not_used_before_it_has_settled() -> None:
    """From the moment that the API server is told, the step is given its time."""
    material = trusted(create(TERMS, START), START)
    now = START + timedelta(hours=1)
    asked = advance(material, TERMS, now, renew_ca=True)
    assert len(asked.trusted) == 2
    assert advance(asked, TERMS, now + timedelta(days=1)) == asked
    told = trusted(asked, now)
    assert advance(told, TERMS, now + timedelta(seconds=59)) == told
    used = advance(told, TERMS, now + timedelta(seconds=60))
    assert used.serving != told.serving
    assert used.trusted == told.trusted
    assert advance(used, TERMS, now + timedelta(seconds=119)) == used
    assert advance(used, TERMS, now + timedelta(seconds=120)).trusted == (used.authority.certificate,)


def test_nothing_changes_while_nothing_is_due() -> None:
    """The same object comes back, so that nothing is written."""
    material = trusted(create(TERMS, START), START)
    assert advance(material, TERMS, START + timedelta(days=30)) is material


def test_what_is_stored_is_read_back() -> None:
    """Secrets hold the whole state of a rotation."""
    material = trusted(advance(create(TERMS, START), TERMS, START, renew_ca=True), START)
    ca, serving = certificates.authority_secret(material), certificates.serving_secret(material)
    assert restored(_secret(ca), _secret(serving), TERMS, START) == material


def test_a_lost_ca_leaves_what_is_served_trusted() -> None:
    """A new CA is made; the pair in use verifies until one by the new CA has taken its place."""
    material = trusted(create(TERMS, START), START)
    serving = _secret(certificates.serving_secret(material))
    found = restored(None, serving, TERMS, START)
    assert found.authority != material.authority
    assert found.serving == material.serving
    assert found.trusted_at is None
    assert _verifies(found)


@pytest.mark.parametrize("damage", ["", "AAAA", "bm90IGEga2V5"])
def test_a_damaged_serving_secret_is_replaced(damage: str) -> None:
    """By a pair of the same CA, at once."""
    material = trusted(create(TERMS, START), START)
    data, notes = certificates.serving_secret(material)
    found = restored(
        _secret(certificates.authority_secret(material)), _secret((data | {"tls.key": damage}, notes)), TERMS, START
    )
    assert found.authority == material.authority
    assert found.serving != material.serving
    assert _verifies(found)


def test_other_hosts_get_another_certificate_at_once() -> None:
    """A pair for the wrong name serves nobody."""
    material = trusted(create(TERMS, START), START)
    moved = advance(material, Terms(("elsewhere.svc",)), START)
    names = moved.serving.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["elsewhere.svc"]
    assert moved.trusted == material.trusted


def test_the_ca_can_sign_leaves_alone_and_the_leaf_can_only_serve() -> None:
    """RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12."""
    material = create(TERMS, START)
    authority = material.authority.x509.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (authority.ca, authority.path_length) == (True, 0)
    leaf = material.serving.x509.extensions
    assert leaf.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = leaf.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


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
