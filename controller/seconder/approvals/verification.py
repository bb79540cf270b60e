"""Verifies one approval, step by step. It counts only if every step passes; the first that fails says why.

Whoever may write to an object can put anything in its annotations: only the signature makes a statement a peer's.

 1. The value has a bounded size and a known envelope.
 2. The envelope is well-formed, and made for this purpose.
 3. The bytes are one statement of the closed claim set in canonical form.
 4. The key that it names, by all its bytes, by a kid or by a certificate of a registered authority, is registered for
    this envelope, counts, and has not ended.
 5. The statement speaks for the person whose key it is.
 6. It is not over.
 7. The signature is that key's, over exactly these bytes; and the certificate's is its authority's.
 8. It is valid already, and not for longer than any policy could allow; it was signed while its certificate was valid.
 9. It is for this cluster.
10. It is for this very object, by uid.
11. It is for this action, and a change for this change.
12. It is for this requester, and for this agent.
13. The approver is a peer: neither the requester, nor the agent, nor who set the agent going.
14. If it is a security key's, somebody touched that key; and gave a PIN or biometric, where a certificate demands it.

Steps 1 to 6 cost little and so come before the arithmetic of step 7. What they take from the statement is not proven
yet: it can only refuse, and a forger who makes a statement that is refused sooner has gained nothing. Steps 2 and 3
depend on the value alone, and step 7 on the value and the key (a certificate and its authority's key are part of the
value): they are remembered together with that key. All the
others are taken anew each time, and so is step 7 once a kid stands for another key. Times are compared so that a number
which is none (NaN) fails.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Final

from msgspec import Struct, UnsetType

from seconder.api import constants
from seconder.api.policy import Assurance
from seconder.api.reasons import Reason, Rejected
from seconder.api.resources import LOSSES, Action, Target
from seconder.approvals import jws, signatures, sshsig, statement
from seconder.approvals.certificates import certificate
from seconder.approvals.change import Change
from seconder.approvals.difference import Difference
from seconder.approvals.keys import SECURITY_KEYS, PublicKey
from seconder.approvals.registry import RegisteredKey, Registry
from seconder.approvals.statement import Detail, Statement

Envelope = sshsig.Envelope | jws.Envelope

_JWS: Final = "eyJ"
"""The base64url of ``{"``, with which a compact header begins."""


class Context(Struct, frozen=True, gc=False):
    """What an approval must fit. ``operators`` are the people who set the agent going, as far as they are known.

    ``by_agent``: the requester is an agent. One that is tagged by its group or user name has no name in ``agent``.
    ``principals``: of the approvers who are the requester by what tells them beside user names.
    """

    audience: str
    requester: str
    by_agent: bool
    agent: str | None
    operators: frozenset[str]
    target: Target
    action: Action
    difference: Difference | None = None
    principals: frozenset[str] = frozenset()

    @property
    def barred(self) -> set[str]:
        """Who is no peer, under whatever name: the requester, the agent, and who set the agent going."""
        barred = {self.requester, *self.operators, *self.principals}
        if self.agent is not None:
            barred.add(self.agent)
        return barred


def approvals_of(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations that are approvals, by their slugs."""
    prefix = constants.APPROVAL_PREFIX
    found = {}
    for key in annotations:
        if key.startswith(prefix):
            found[key[len(prefix) :]] = annotations[key]
    return found


def claimed(value: str) -> Statement | None:
    """What a value claims, unproven; None where it is no approval at all."""
    try:
        return _signed(_envelope(_bytes(value))).statement
    except Rejected:
        return None


def context_of(change: Change, audience: str) -> Context:
    """What an approval of this change must fit."""
    return Context(
        audience=audience,
        requester=change.requester,
        by_agent=change.by_agent,
        agent=change.agent,
        operators=change.operators,
        target=change.target,
        action=change.action,
        difference=change.difference,
        principals=change.principals,
    )


class Approval(Struct, frozen=True, gc=False):
    """A statement that a registered peer made for exactly this request. Made by ``verify`` alone.

    ``format`` is "ssh" or "jws"; ``key_type`` is one of ``KeyType``, or of the labels of ``jws``.
    """

    slug: str
    statement: Statement
    detail: Detail
    key: RegisteredKey
    assurance: Assurance
    format: str
    key_type: str


class Signed(Struct, frozen=True, gc=False):
    """What steps 2 and 3 found in a value.

    ``signer`` is the key as the value names it: an SSH signature by its bytes, a JSON Web Signature by its kid.
    ``flags`` are those of signatures, and ``assurance`` is what they prove of one that is good.
    """

    statement: Statement
    signer: bytes | str
    flags: int
    assurance: Assurance


class Verified(Struct, frozen=True, gc=False):
    """What a value holds, and the exact encoding of the key under which its signature is good."""

    signed: Signed
    key_blob: bytes


class Candidate(Struct, frozen=True, gc=False):
    """A value that has passed steps 1 to 6, its claims unproven.

    ``envelope`` is None when step 7 has been taken before, with this very key.
    """

    digest: bytes
    signed: Signed
    envelope: Envelope | None
    key: RegisteredKey
    public: PublicKey


class Memo:
    """Remembers values whose signature has been verified, the least recently used first to go.

    What it holds are facts about a value's bytes and a key's bytes: no change of registry, policy or time can make them
    wrong. A kid is no key: what was verified under the key that it once named says nothing about the next one.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: OrderedDict[bytes, Verified] = OrderedDict()
        self._lock = Lock()

    def get(self, digest: bytes) -> Verified | None:
        """What was verified for this SHA-256 of a value."""
        with self._lock:
            verified = self._known.get(digest)
            if verified is not None:
                self._known.move_to_end(digest)
            return verified

    def put(self, digest: bytes, verified: Verified) -> None:
        """Remember a verified value."""
        with self._lock:
            self._known[digest] = verified
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)


def verify(slug: str, value: str, context: Context, registry: Registry, now: float, memo: Memo) -> Approval:
    """Verify one annotation's value. ``now`` is in seconds since 1970. Raises Rejected with the reason."""
    candidate = examine(value, registry, now, memo)
    authenticate(candidate, memo)
    return approval_of(slug, candidate, check_fit(candidate, context, now))


def stands(
    values: Mapping[str, str], target: Target, audience: str, registry: Registry, now: float, memo: Memo
) -> bool:
    """Whether an approval of this object's end is among these, for whomever it is. ``now``: as for ``verify``."""
    looked_at = 0
    for value in values.values():
        try:
            candidate = examine(value, registry, now, memo)
            claims = candidate.signed.statement
            # An approval of its deletion covers this as well.
            wanted = Context(audience, claims.sub, False, claims.agent, frozenset(), target, Action.CHANGE_OWNERS)
            check_fit(candidate, wanted, now)
            looked_at += 1
            if looked_at > constants.MAX_APPROVALS:
                return False
            authenticate(candidate, memo)
        except Rejected:
            continue
        return True
    return False


def examine(value: str, registry: Registry, now: float, memo: Memo) -> Candidate:
    """The candidate that a value is after steps 1 to 6. Raises Rejected."""
    data = _bytes(value)
    digest = hashlib.sha256(data).digest()
    # Steps 2 and 3.
    remembered = memo.get(digest)
    envelope: Envelope | None = None
    if remembered is not None:
        signed = remembered.signed
    else:
        envelope = _envelope(data)
        signed = _signed(envelope)

    # Step 4.
    if isinstance(signed.signer, bytes):
        # Most approvers have a key that is listed, and a certificate never is.
        key = registry.find(signed.signer) or registry.certified(signed.signer)
    else:
        key = registry.find_kid(signed.signer)
    key, public = counting(key, now)
    # Step 5.
    if signed.statement.iss != key.approver.principal:
        raise Rejected(Reason.SIGNATURE_INVALID, "the statement speaks for somebody else than the key's owner")
    # Step 6.
    if not now < signed.statement.exp:
        raise Rejected(Reason.APPROVAL_EXPIRED, "the approval has expired")
    if remembered is not None and remembered.key_blob != public.blob:
        # The kid has another key by now: step 7 is due again.
        envelope = _envelope(data)
    return Candidate(digest, signed, envelope, key, public)


def counting(key: RegisteredKey | None, now: float) -> tuple[RegisteredKey, PublicKey]:
    """Take step 4: the key that was found, and what verifies by it. Raises Rejected where it does not count."""
    if key is None:
        raise Rejected(Reason.APPROVER_UNKNOWN, "the key is not registered")
    public = key.entry.public
    if key.problem or public is None:
        raise Rejected(
            Reason.APPROVER_NOT_ALLOWED, "the key is registered but does not count: see its Approver's status"
        )
    if key.entry.not_after is not None and not now < key.entry.not_after:
        ended = "the key's notAfter" if key.certified is None else "the end of the certificate, or of its key,"
        raise Rejected(Reason.KEY_REVOKED, f"{ended} has passed")
    return key, public


def authenticate(candidate: Candidate, memo: Memo) -> None:
    """Take step 7. Raises Rejected."""
    envelope = candidate.envelope
    if envelope is None:
        return
    if isinstance(envelope, jws.Envelope):
        jws.verify_signature(envelope, candidate.public)
    else:
        check_signature(envelope, candidate.key, candidate.public)
    memo.put(candidate.digest, Verified(candidate.signed, candidate.public.blob))


def check_signature(envelope: sshsig.Envelope, key: RegisteredKey, public: PublicKey) -> None:
    """Take step 7 for an SSH signature, and for the certificate that makes its key count. Raises Rejected."""
    if key.certified is None:
        sshsig.verify_signature(envelope, public)
        return
    certificate.verify(key.certified.certificate, key.certified.key)
    sshsig.verify_signature(envelope, public, key.certified.blob)


def check_fit(candidate: Candidate, context: Context, now: float) -> Detail:
    """Take steps 8 to 14. Returns the part of the statement that is about the object. Raises Rejected."""
    claims = candidate.signed.statement
    target = context.target
    detail = claims.detail_of(target.uid)
    # Step 8.
    if not claims.iat - constants.CLOCK_SKEW_SECONDS <= now:
        raise Rejected(Reason.APPROVAL_NOT_YET_VALID, "the approval begins in the future: compare the clocks")
    if claims.exp - claims.iat > constants.MAX_TTL_SECONDS:
        raise Rejected(Reason.LIFETIME_TOO_LONG, f"the approval lasts longer than {constants.MAX_TTL_SECONDS} s")
    certified = candidate.key.certified
    if certified is not None:
        check_validity(certified.certificate, claims.iat, now)
    # Step 9.
    if claims.aud != context.audience:
        raise Rejected(Reason.WRONG_CLUSTER, "the approval is for another cluster")
    # Step 10. The uid alone would do; the names are what the approver read.
    if detail is None:
        raise Rejected(Reason.WRONG_OBJECT, "the approval is for another object, or one that was recreated since (uid)")
    namespace = detail.namespace if isinstance(detail.namespace, str) else ""
    if (detail.group, detail.resource, namespace, detail.name) != (*target.resource, target.namespace, target.name):
        raise Rejected(Reason.WRONG_OBJECT, "the approval names another object than its uid")
    # Step 11. An object that may be deleted may be scaled down, too; but what becomes of it else is another question.
    covered = Action.DELETE in detail.actions and context.action in LOSSES
    if context.action not in detail.actions and not covered:
        raise Rejected(Reason.WRONG_ACTION, "the approval is for another action")
    if context.action is Action.CHANGE:
        _check_change(detail, context.difference)
    # Step 12.
    if claims.sub != context.requester:
        raise Rejected(Reason.WRONG_REQUESTER, "the approval is for another requester")
    if claims.agent != context.agent:
        raise Rejected(Reason.WRONG_REQUESTER, "the approval is for another agent (act.sub)")
    # Step 13. By step 12, the requester and the agent are those that the statement names.
    if candidate.key.approver.names.meets(context.barred):
        raise Rejected(Reason.SELF_APPROVAL, "the approver is the requester, the agent, or who set the agent going")
    # Step 14.
    check_touch(candidate.key, candidate.public, candidate.signed.flags)
    return detail


def check_touch(key: RegisteredKey, public: PublicKey, flags: int) -> None:
    """Take step 14. Raises Rejected."""
    # ssh-keygen is content without; but whoever registered a security key counts on the touch.
    if public.type in SECURITY_KEYS and not flags & signatures.USER_PRESENT:
        raise Rejected(Reason.ASSURANCE_TOO_LOW, "nobody touched the security key")
    # The one critical option that is taken.
    demanding = key.certified is not None and key.certified.certificate.options
    if demanding and not flags & signatures.USER_VERIFIED:
        raise Rejected(Reason.ASSURANCE_TOO_LOW, "the certificate demands a PIN or biometric, and none was given")


def check_validity(shown: certificate.Certificate, iat: int, now: float) -> None:
    """Take step 8 for a certificate, its end having been compared with the time of the request. Raises Rejected."""
    if not (shown.valid_after <= now and shown.valid_after <= iat):
        text = "the statement is older than the certificate that it is signed with, or that begins in the future"
        raise Rejected(Reason.APPROVAL_NOT_YET_VALID, text)
    if not iat < shown.valid_before:
        raise Rejected(Reason.KEY_REVOKED, "the statement was signed after the certificate had ended")


def _check_change(detail: Detail, wanted: Difference | None) -> None:
    """Take step 11 for a ``Change``: it is for this change and no other."""
    named = detail.change
    if wanted is None or isinstance(named, UnsetType) or named.after != wanted.after:
        raise Rejected(Reason.WRONG_ACTION, "the approval is for another change of the object")
    if named.before != wanted.before:
        raise Rejected(Reason.WRONG_ACTION, "the object has changed since this change of it was approved")


def approval_of(slug: str, candidate: Candidate, detail: Detail) -> Approval:
    """The approval that a candidate has become, all steps taken."""
    signed, key = candidate.signed, candidate.key
    return Approval(slug, signed.statement, detail, key, signed.assurance, key.entry.format, key.entry.key_type)


def format_of(value: str) -> str:
    """The format that a value's beginning announces; "ssh", too, where it announces none."""
    return "jws" if value.startswith(_JWS) else "ssh"


def _bytes(value: str) -> bytes:
    """The value's bytes: step 1."""
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise Rejected(Reason.APPROVAL_MALFORMED, "the approval is not UTF-8") from None
    if len(data) > constants.MAX_APPROVAL_BYTES:
        raise Rejected(Reason.APPROVAL_MALFORMED, f"the approval has more than {constants.MAX_APPROVAL_BYTES} bytes")
    if not value.startswith(("{", _JWS)):
        text = "the approval is neither a statement with an SSH signature below it nor a JSON Web Signature"
        raise Rejected(Reason.APPROVAL_MALFORMED, text)
    return data


def _envelope(data: bytes) -> Envelope:
    """The envelope: step 2."""
    return sshsig.parse(data) if data.startswith(b"{") else jws.parse(data)


def _signed(envelope: Envelope) -> Signed:
    """The statement and its signer, unproven: step 3."""
    if isinstance(envelope, jws.Envelope):
        return Signed(statement.parse_line(envelope.payload), envelope.kid, 0, assurance_by(0))
    flags = envelope.signature.flags
    return Signed(statement.parse(envelope.message), envelope.key_blob, flags, assurance_by(flags))


def assurance_by(flags: int) -> Assurance:
    """What a signature with these FIDO flags proves."""
    if not flags & signatures.USER_PRESENT:
        return Assurance.SOFTWARE
    return Assurance.VERIFIED if flags & signatures.USER_VERIFIED else Assurance.PRESENCE
