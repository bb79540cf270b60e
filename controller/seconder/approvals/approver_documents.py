"""Approver documents to the registry's approvers. A key that cannot count stays visible with its problem."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from seconder.api.approver import ApproverSpec, Certificates, Jwk, Key
from seconder.api.text import clean
from seconder.api.type_reader import TypeReader
from seconder.approvals.keys import UnusableKey, blob_of_jwk, blob_of_line, fingerprint, parse
from seconder.approvals.registry import Approver, KeyEntry
from seconder.approvals.user_names import Identity

_spec: Final = TypeReader(ApproverSpec)


def approver(document: Mapping[str, Any]) -> Approver | None:
    """The approver of a document; None for one that names nobody.

    One that cannot be parsed otherwise approves nothing, and is not absent: no certificate counts for its principal.
    """
    try:
        return parse_approver(document)
    except msgspec.ValidationError:
        spec = document.get("spec")
        principal = spec.get("principal") if isinstance(spec, dict) else None
        if not isinstance(principal, str) or not principal:
            return None
        return Approver(document["metadata"]["name"], principal, frozenset())


def parse_approver(document: Mapping[str, Any]) -> Approver:
    """The approver of a document, parsed strictly. Raises msgspec.ValidationError."""
    spec = _spec.convert(document.get("spec") or {})
    return Approver(
        name=document["metadata"]["name"],
        principal=spec.principal,
        kubernetes_users=frozenset(spec.kubernetes_users),
        teams=frozenset(spec.teams),
        identities=tuple(Identity(identity.extra.key, identity.extra.value) for identity in spec.identities),
        keys=tuple(_key(key) for key in spec.keys),
        certificates=spec.certificates is Certificates.ACCEPT,
    )


def _key(key: Key) -> KeyEntry:
    not_after = None if key.not_after is msgspec.UNSET else key.not_after.timestamp()
    kid = key.jwk.kid if isinstance(key.jwk, Jwk) else None
    blob, text = b"", ""
    try:
        blob = _blob(key)
        text = fingerprint(blob)
        return KeyEntry(key.name, blob, parse(blob), text, not_after, kid=kid)
    except UnusableKey as error:
        return KeyEntry(key.name, blob, None, text, not_after, clean(str(error)), kid)


def _blob(key: Key) -> bytes:
    match key.ssh, key.jwk:
        case str() as line, msgspec.UNSET:
            return blob_of_line(line)
        case msgspec.UNSET, Jwk() as jwk:
            return blob_of_jwk(jwk.kty, jwk.crv, jwk.x, jwk.y if isinstance(jwk.y, str) else None)
    raise UnusableKey("give exactly one of ssh and jwk")
