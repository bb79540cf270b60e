"""The CA and the serving certificate of the webhook, and how one follows the other without a failed review.

A new CA is trusted by the API server before the first certificate signed by it is served, and the old one goes only
after that certificate has been served for a while: bundle old and new, swap the leaf, trim the bundle.
"""

import base64
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from seconder.api import moments

CA_LIFETIME: Final = timedelta(days=730)
SERVING_LIFETIME: Final = timedelta(days=90)
_BACKDATED: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    @property
    def x509(self) -> x509.Certificate:
        """Parse the certificate. Raises ValueError."""
        return x509.load_pem_x509_certificate(self.certificate)


@dataclass(frozen=True, slots=True)
class Material:
    """What is stored: the CA that signs, all CAs that are trusted (PEM, newest first), and the serving pair.

    ``trusted_at``: since when the signing CA has been in the webhook configuration's bundle. ``served_at``: since when
    the serving pair has been stored.
    """

    authority: Pair
    trusted: tuple[bytes, ...]
    serving: Pair
    trusted_at: datetime | None
    served_at: datetime

    @property
    def bundle(self) -> bytes:
        """What the API server is told to trust."""
        return b"".join(self.trusted)


@dataclass(frozen=True, slots=True)
class Terms:
    """What certificates must be like. ``settle``: how long one step of a rotation is given to reach everybody."""

    hosts: tuple[str, ...]
    settle: timedelta = timedelta(seconds=60)
    ca_lifetime: timedelta = CA_LIFETIME
    serving_lifetime: timedelta = SERVING_LIFETIME


def create(terms: Terms, now: datetime) -> Material:
    """Make a first CA and serving pair."""
    authority = new_authority(terms, now)
    return Material(authority, (authority.certificate,), new_serving(authority, terms, now), None, now)


def advance(material: Material, terms: Terms, now: datetime, *, renew_ca: bool = False) -> Material:
    """Take the one next step that is due, if any; otherwise give ``material`` itself back.

    ``renew_ca`` asks for a new CA before its time. A serving pair that is damaged, for other hosts, or not by a trusted
    CA is replaced at once.
    """
    if not _usable(material.authority, now):
        return create(terms, now)
    if not _serves(material, terms, now):
        return _reissue(material, terms, now)
    rotating = len(material.trusted) > 1
    if not rotating and (renew_ca or _ageing(material.authority, now)):
        authority = new_authority(terms, now)
        return Material(
            authority, (authority.certificate, *material.trusted), material.serving, None, material.served_at
        )
    if not _signed_by(material.serving, material.authority):
        settled = material.trusted_at is not None and now - material.trusted_at >= terms.settle
        return _reissue(material, terms, now) if settled else material
    if _ageing(material.serving, now):
        return _reissue(material, terms, now)
    if rotating and now - material.served_at >= terms.settle:
        return _replaced(material, trusted=(material.authority.certificate,))
    return material


def trusted(material: Material, now: datetime) -> Material:
    """Note that the webhook configuration carries the bundle as from now."""
    return material if material.trusted_at is not None else _replaced(material, trusted_at=now)


def new_authority(terms: Terms, now: datetime) -> Pair:
    """Make a self-signed CA that may sign leaves only (RFC 5280 section 4.2.1.9, path length 0)."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own for each CA: clients that build chains by name then never take one for another.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"seconder-ca-{now:%Y%m%d%H%M%S}")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(subject, subject, key.public_key(), now, terms.ca_lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def new_serving(authority: Pair, terms: Terms, now: datetime) -> Pair:
    """Make a serving pair for ``terms.hosts``, names or IP addresses."""
    signer = authority.x509
    signing_key = serialization.load_pem_private_key(authority.key, None)
    if not isinstance(signing_key, ec.EllipticCurvePrivateKey):
        raise ValueError("the CA's key is not an EC key")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seconder-webhook")])
    lifetime = min(terms.serving_lifetime, signer.not_valid_after_utc - now)
    certificate = (
        _builder(subject, signer.subject, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(terms.hosts)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    return _pair(certificate, key)


_TRUSTED_AT: Final = "seconder.dev/trusted-at"
_SERVED_AT: Final = "seconder.dev/served-at"
NOTES: Final = (_TRUSTED_AT, _SERVED_AT)
"""Annotations in which the progress of a rotation is kept."""


def restored(authority: Any, serving: Any, terms: Terms, now: datetime) -> Material:
    """Read what was stored; either Secret may be None or damaged.

    What cannot be read is made anew. While a serving pair is still in use, the CAs that came with it stay trusted.
    """
    kept = _read_pair(authority)
    if kept is not None and not _usable(kept, now):
        kept = None
    signer = kept or new_authority(terms, now)
    leaf = _read_pair(serving)
    bundle = [signer.certificate, *_read_bundle(authority), *(_read_bundle(serving) if leaf else ())]
    notes = _notes(authority) if kept else {}
    return Material(
        authority=signer,
        trusted=tuple(dict.fromkeys(_canonical(certificate) for certificate in bundle)),
        serving=leaf or new_serving(signer, terms, now),
        trusted_at=moments.read(notes.get(_TRUSTED_AT, "")),
        served_at=moments.read(_notes(serving).get(_SERVED_AT, "")) or now,
    )


class Unusable(Exception):
    """A Secret that somebody else keeps cannot be served with; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody else made: the CAs to trust (PEM), and when the serving certificate ends."""

    bundle: bytes
    expires: datetime


def given(secret: Any, name: str) -> Given:
    """Read the Secret of this name, kept by cert-manager or by hand. Raises Unusable."""
    if secret is None:
        raise Unusable(f"there is no Secret {name}: make it with tls.crt, tls.key and ca.crt, or wait for its issuer")
    pair, bundle = _read_pair(secret), b"".join(_read_bundle(secret))
    if pair is None:
        raise Unusable(f"tls.crt and tls.key of Secret {name} are no certificate with its key")
    if not bundle:
        raise Unusable(f"ca.crt of Secret {name} holds no CA: the API server must be told which one to trust")
    return Given(bundle, pair.x509.not_valid_after_utc)


def bundle(authority: Any, serving: Any) -> bytes:
    """The CAs (PEM) that two Secrets hold, of which either may be None or damaged; empty where neither holds any."""
    return b"".join(dict.fromkeys([*_read_bundle(authority), *_read_bundle(serving)]))


def _read_pair(secret: Any) -> Pair | None:
    try:
        pair = Pair(_decoded(secret["data"], "tls.crt"), _decoded(secret["data"], "tls.key"))
        return pair if _matches(pair) else None
    except (KeyError, TypeError, ValueError):
        return None


def _read_bundle(secret: Any) -> list[bytes]:
    try:
        bundle = x509.load_pem_x509_certificates(_decoded(secret["data"], "ca.crt"))
    except (KeyError, TypeError, ValueError):
        return []
    return [certificate.public_bytes(serialization.Encoding.PEM) for certificate in bundle]


def _canonical(certificate: bytes) -> bytes:
    return x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)


def _notes(secret: Any) -> dict[str, str]:
    return ((secret or {}).get("metadata") or {}).get("annotations") or {}


def authority_secret(material: Material) -> tuple[dict[str, str], dict[str, str]]:
    """Data and annotations of the Secret that holds the CA."""
    notes = {_TRUSTED_AT: material.trusted_at.isoformat()} if material.trusted_at else {}
    return _data(material, material.authority), notes


def serving_secret(material: Material) -> tuple[dict[str, str], dict[str, str]]:
    """Data and annotations of the Secret that the webhook serves with."""
    return _data(material, material.serving), {_SERVED_AT: material.served_at.isoformat()}


def _data(material: Material, pair: Pair) -> dict[str, str]:
    return {"ca.crt": encoded(material.bundle), "tls.crt": encoded(pair.certificate), "tls.key": encoded(pair.key)}


def _reissue(material: Material, terms: Terms, now: datetime) -> Material:
    return _replaced(material, serving=new_serving(material.authority, terms, now), served_at=now)


def _replaced(material: Material, **changes: Any) -> Material:
    fields = {name: getattr(material, name) for name in Material.__slots__}
    return Material(**(fields | changes))


def _serves(material: Material, terms: Terms, now: datetime) -> bool:
    """Whether the serving pair works at all: whole, in time, for these hosts, by a trusted CA."""
    if not _usable(material.serving, now):
        return False
    certificate = material.serving.x509
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if set(alternative) != set(_names(terms.hosts)):
        return False
    return any(_issued(certificate, x509.load_pem_x509_certificate(authority)) for authority in material.trusted)


def _usable(pair: Pair, now: datetime) -> bool:
    certificate = pair.x509
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _matches(pair: Pair) -> bool:
    """Whether the key is the certificate's own. Raises ValueError for what is neither."""
    key = serialization.load_pem_private_key(pair.key, None)
    return isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == pair.x509.public_key()


def _ageing(pair: Pair, now: datetime) -> bool:
    """Whether two thirds of the lifetime are over."""
    certificate = pair.x509
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= start + (end - start) * 2 / 3


def _signed_by(pair: Pair, authority: Pair) -> bool:
    return _issued(pair.x509, authority.x509)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - the library raises several types, and every one of them means no
        return False
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Backdated, since the API server's clock need not be ours.
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), encoded)


def _decoded(data: dict[str, str], name: str) -> bytes:
    return base64.b64decode(data[name], validate=True)


def encoded(data: bytes) -> str:
    """Base64, as Secrets and caBundle hold it."""
    return base64.b64encode(data).decode()


def utc_now() -> datetime:
    """The present time, whole seconds, as certificates count."""
    return datetime.now(UTC).replace(microsecond=0)
