"""ApproverAuthority documents to the registry's authorities. A key that cannot count stays visible with its problem."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from seconder.api.approver_authority import MAX_VALIDITY_SECONDS, ApproverAuthoritySpec, CertificateTeams
from seconder.api.duration import decoded
from seconder.api.text import clean
from seconder.api.type_reader import TypeReader
from seconder.approvals.certificates.authority import Authority, AuthorityKey
from seconder.approvals.keys import UnusableKey, blob_of_line, fingerprint, parse
from seconder.approvals.user_names import Identity

_spec: Final = TypeReader(ApproverAuthoritySpec, decoded)

_MAX_SERIAL = 2**64 - 1


def authority(document: Mapping[str, Any]) -> Authority | None:
    """The authority of a document; None for one that cannot be parsed, of which then no certificate counts."""
    try:
        return parse_authority(document)
    except msgspec.ValidationError:
        return None


def parse_authority(document: Mapping[str, Any]) -> Authority:
    """The authority of a document, parsed strictly. Raises msgspec.ValidationError."""
    spec = _spec.convert(document.get("spec") or {})
    if not 60 <= spec.max_validity <= MAX_VALIDITY_SECONDS:
        raise msgspec.ValidationError("maxValidity must be from 1m to 720h")
    serials = frozenset(int(serial) for serial in spec.revoked.serials)
    if any(serial > _MAX_SERIAL for serial in serials):
        raise msgspec.ValidationError("a serial number has 64 bits at most - at `$.revoked.serials`")
    return Authority(
        name=document["metadata"]["name"],
        keys=tuple(_key(line) for line in spec.ssh),
        principals=spec.principals,
        kubernetes_users=spec.kubernetes_users,
        identities=tuple(Identity(identity.extra.key, identity.extra.value) for identity in spec.identities),
        team_prefix=spec.teams.prefix if isinstance(spec.teams, CertificateTeams) else "",
        max_validity=int(spec.max_validity),
        serials=serials,
        key_ids=spec.revoked.key_ids,
        fingerprints=spec.revoked.fingerprints,
    )


def _key(line: str) -> AuthorityKey:
    blob, text = b"", ""
    try:
        blob = blob_of_line(line)
        text = fingerprint(blob)
        public = parse(blob)
    except UnusableKey as error:
        return AuthorityKey(blob, None, text, clean(str(error)))
    if public.of_page:
        return AuthorityKey(blob, None, text, "a passkey signs no certificates")
    return AuthorityKey(blob, public, text)
