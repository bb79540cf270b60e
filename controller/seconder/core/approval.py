"""Verifies one approval, step by step. It counts only if every step passes; the first that fails says why.

Whoever may write to an object can put anything in its annotations: only the signature makes a statement a peer's.

 1. The value has a bounded size and a known envelope.
 2. The envelope is well-formed, and made for this purpose.
 3. Its key is, byte for byte, a registered key that counts and has not ended.
 4. The signature is that key's, over exactly these bytes.
 5. The bytes are one statement of the closed claim set in canonical form.
 6. It speaks for the person whose key it is.
 7. It is valid now, and not for longer than any policy could allow.
 8. It is for this cluster.
 9. It is for this very object, by uid.
10. It is for this action.
11. It is for this requester, and for this agent.
12. The approver is a peer: neither the requester, nor the agent, nor who set the agent going.

Steps 2, 4 and 5 depend on the value alone and are remembered; all the others are taken anew each time.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from seconder.core import names, sshsig, statement
from seconder.core.approver import RegisteredKey, Registry
from seconder.core.policy import Assurance
from seconder.core.reasons import Reason, Rejected
from seconder.core.request import Action, Target
from seconder.core.statement import Statement


@dataclass(frozen=True, slots=True)
class Context:
    """What an approval must fit. ``operators`` are the people who set the agent going, as far as they are known."""

    audience: str
    requester: str
    agent: str | None
    operators: frozenset[str]
    target: Target
    action: Action


@dataclass(frozen=True, slots=True)
class Approval:
    """A statement that a registered peer made for exactly this request. Made by ``verify`` alone."""

    slug: str
    statement: Statement
    key: RegisteredKey
    assurance: Assurance
    format: str
    key_type: str


@dataclass(frozen=True, slots=True)
class _Signed:
    """What steps 2, 4 and 5 found."""

    statement: Statement
    key_blob: bytes
    flags: int


class Memo:
    """Remembers values whose signature has been verified, the least recently used first to go.

    What it holds is a function of the value's bytes alone: no change of registry, policy or time can make it wrong.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: OrderedDict[bytes, _Signed] = OrderedDict()
        self._lock = Lock()

    def get(self, digest: bytes) -> _Signed | None:
        """Give what was found for this SHA-256 of a value."""
        with self._lock:
            found = self._known.get(digest)
            if found is not None:
                self._known.move_to_end(digest)
            return found

    def put(self, digest: bytes, signed: _Signed) -> None:
        """Remember a verified value."""
        with self._lock:
            self._known[digest] = signed
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)


def key_of(value: str, registry: Registry, now: float, memo: Memo) -> RegisteredKey:
    """Take steps 1 to 3: everything that is cheap. Raises Rejected."""
    return _key(_blob(_bytes(value), memo), registry, now)


def verify(slug: str, value: str, context: Context, registry: Registry, now: float, memo: Memo) -> Approval:
    """Verify one annotation's value. ``now`` is in seconds since 1970. Raises Rejected with the reason."""
    # Steps 1 to 5.
    data = _bytes(value)
    digest = hashlib.sha256(data).digest()
    signed = memo.get(digest)
    if signed is not None:
        key = _key(signed.key_blob, registry, now)
    else:
        envelope = sshsig.parse(data)
        key = _key(envelope.key_blob, registry, now)
        if key.entry.public is None:
            raise Rejected(Reason.APPROVER_NOT_ALLOWED, "the key cannot be used")
        flags = sshsig.verify_signature(envelope, key.entry.public)
        signed = _Signed(statement.parse(envelope.message), envelope.key_blob, flags)
        memo.put(digest, signed)
    claims = signed.statement

    # Step 6.
    if claims.iss != key.approver.principal:
        raise Rejected(Reason.SIGNATURE_INVALID, "the statement speaks for somebody else than the key's owner")
    # Step 7.
    if now >= claims.exp:
        raise Rejected(Reason.APPROVAL_EXPIRED, "the approval has expired")
    if claims.iat - names.CLOCK_SKEW_SECONDS > now:
        raise Rejected(Reason.APPROVAL_NOT_YET_VALID, "the approval begins in the future: compare the clocks")
    if claims.exp - claims.iat > names.MAX_TTL_SECONDS:
        raise Rejected(Reason.LIFETIME_TOO_LONG, f"the approval lasts longer than {names.MAX_TTL_SECONDS} s")
    # Step 8.
    if claims.aud != context.audience:
        raise Rejected(Reason.WRONG_CLUSTER, "the approval is for another cluster")
    # Step 9.
    _check_object(claims, context.target)
    # Step 10.
    _check_action(claims, context.action)
    # Step 11.
    if claims.sub != context.requester:
        raise Rejected(Reason.WRONG_REQUESTER, "the approval is for another requester")
    if claims.agent != context.agent:
        raise Rejected(Reason.WRONG_REQUESTER, "the approval is for another agent (act.sub)")
    # Step 12.
    _check_peer(claims, key, context)

    public = key.entry.public
    if public is None:
        raise Rejected(Reason.APPROVER_NOT_ALLOWED, "the key cannot be used")
    return Approval(slug, claims, key, _assurance(signed.flags), "ssh", public.type.value)


def _bytes(value: str) -> bytes:
    """Step 1."""
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise Rejected(Reason.APPROVAL_MALFORMED, "the approval is not UTF-8") from None
    if len(data) > names.MAX_APPROVAL_BYTES:
        raise Rejected(Reason.APPROVAL_MALFORMED, f"the approval has more than {names.MAX_APPROVAL_BYTES} bytes")
    if not data.startswith(b"{"):
        raise Rejected(Reason.APPROVAL_MALFORMED, "the approval is not a statement with an SSH signature below it")
    return data


def _blob(data: bytes, memo: Memo) -> bytes:
    """Step 2."""
    known = memo.get(hashlib.sha256(data).digest())
    return known.key_blob if known is not None else sshsig.parse(data).key_blob


def _key(blob: bytes, registry: Registry, now: float) -> RegisteredKey:
    """Step 3."""
    key = registry.find(blob)
    if key is None:
        raise Rejected(Reason.APPROVER_UNKNOWN, "the key is not registered")
    if key.problem:
        raise Rejected(
            Reason.APPROVER_NOT_ALLOWED, "the key is registered but does not count: see its Approver's status"
        )
    if key.entry.not_after is not None and now >= key.entry.not_after:
        raise Rejected(Reason.KEY_REVOKED, "the key's notAfter has passed")
    return key


def _check_object(claims: Statement, target: Target) -> None:
    detail = claims.detail
    namespace = detail.namespace if isinstance(detail.namespace, str) else ""
    if detail.identifier != target.uid:
        raise Rejected(Reason.WRONG_OBJECT, "the approval is for another object, or one that was recreated since (uid)")
    if (detail.group, detail.resource) != target.resource or (namespace, detail.name) != (
        target.namespace,
        target.name,
    ):
        raise Rejected(Reason.WRONG_OBJECT, "the approval names another object than its uid belongs to")


def _check_action(claims: Statement, action: Action) -> None:
    # To delete takes everything else with it.
    if action not in claims.detail.actions and Action.DELETE not in claims.detail.actions:
        raise Rejected(Reason.WRONG_ACTION, "the approval is for another action")


def _check_peer(claims: Statement, key: RegisteredKey, context: Context) -> None:
    barred = {context.requester, *context.operators}
    if context.agent is not None:
        barred.add(context.agent)
    if claims.iss in barred or not barred.isdisjoint(key.approver.kubernetes_users):
        raise Rejected(Reason.SELF_APPROVAL, "the approver is the requester, the agent, or who set the agent going")


def _assurance(flags: int) -> Assurance:
    present, verified = bool(flags & sshsig.USER_PRESENT), bool(flags & sshsig.USER_VERIFIED)
    if present and verified:
        return Assurance.VERIFIED
    return Assurance.PRESENCE if present else Assurance.SOFTWARE
