"""Certificates over simulated years: at no moment is a pair served that the trusted bundle does not verify."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from seconder.operator import certificates
from seconder.operator.certificates import Material, Terms, advance, create, restored, trusted

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
