"""Who may approve, and by which keys: the registry that every verification starts from."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from seconder.api.reasons import Reason, Rejected
from seconder.api.text import clean
from seconder.approvals import jws
from seconder.approvals.certificates import certificate as certificates
from seconder.approvals.certificates.authority import Authority, AuthorityKey, Certified
from seconder.approvals.keys import PublicKey
from seconder.approvals.user_names import Identity, UserNames, by_extra, folded, share_identity, shared

DUPLICATE: Final = "Duplicate: this key stands in another Approver too, and counts in neither"
DUPLICATE_KID: Final = "Duplicate: this kid stands for another key too, and counts for neither"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as an Approver lists it. ``not_after`` is in seconds since 1970.

    ``blob`` identifies the key even where it is unusable; ``public`` is None and ``problem`` says why then. ``kid`` is
    the name of a JSON Web Key, and None for a key in SSH's notation. ``format`` is the envelope that this key signs,
    "ssh" or "jws"; ``key_type`` its type, one of ``KeyType`` or of the labels of ``jws``, empty where it is unusable.
    """

    name: str
    blob: bytes
    public: PublicKey | None
    fingerprint: str
    not_after: float | None = None
    problem: str = ""
    kid: str | None = None
    format: str = field(init=False, compare=False, repr=False)
    key_type: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Name its kind once: each approval asks."""
        object.__setattr__(self, "format", "ssh" if self.kid is None else "jws")
        key_type = "" if self.public is None else self.public.type if self.kid is None else jws.label(self.public.type)
        object.__setattr__(self, "key_type", str(key_type))


@dataclass(frozen=True, slots=True)
class Approver:
    """A registered person, or one whom a certificate makes an approver.

    ``kubernetes_users`` are the user names under which this person, too, makes requests, ``*`` standing for any
    characters; ``identities`` tell the same of requests whose user name says nothing. ``certificates``: those of an
    ApproverAuthority count for this person, too.
    """

    name: str
    principal: str
    kubernetes_users: frozenset[str]
    teams: frozenset[str] = frozenset()
    keys: tuple[KeyEntry, ...] = ()
    identities: tuple[Identity, ...] = ()
    certificates: bool = True
    names: UserNames = field(init=False, compare=False, repr=False)
    """All of this person's names, the principal among them."""

    def __post_init__(self) -> None:
        """Read the patterns once: each approval asks."""
        object.__setattr__(self, "names", UserNames(self.kubernetes_users, {self.principal} - {""}))

    def may_be(self, other: "Approver") -> bool:
        """Whether both may be one person: some caller would be told to be either."""
        return self.names.share(other.names) or share_identity(self.identities, other.identities)


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A key with the person behind it. ``problem`` is empty for a key that counts.

    ``entry`` has the first end of all that its Approver gives for this key, in either notation: whoever set an end to
    one of the entries meant the key. ``certified``: for a key that is not listed itself, the certificate that makes it
    count.
    """

    entry: KeyEntry
    approver: Approver
    problem: str
    certified: Certified | None = None


def certificate_of(key: RegisteredKey) -> str:
    """The certificate that makes a key count, in a few words fit to show; empty for a key that is listed."""
    return "" if key.certified is None else clean(key.certified.shown)


class Registry:
    """All approvers' keys, by their exact wire encoding and by their kid. A look-up does not grow with their number.

    A key signs in the notation in which it is registered; registered in both, it is still one key. Certificates of the
    authorities stand for keys that nobody listed.
    """

    def __init__(self, approvers: Iterable[Approver], authorities: Iterable[Authority] = ()) -> None:
        self.approvers: Final[Sequence[Approver]] = tuple(approvers)
        self.authorities: Final[Sequence[Authority]] = tuple(authorities)
        taken = _Taken(self.approvers)
        self._keys: Final[dict[bytes, RegisteredKey]] = {}
        self._kids: Final[dict[str, RegisteredKey]] = {}
        self.problems: Final[dict[tuple[str, str], str]] = {}
        for approver in self.approvers:
            for key in approver.keys:
                problem = taken.problem(approver, key)
                self.problems[approver.name, key.name] = problem
                registered = RegisteredKey(replace(key, not_after=taken.ends.get(key.blob)), approver, problem)
                if key.kid is not None:
                    self._kids[key.kid] = registered
                elif key.blob:
                    self._keys[key.blob] = registered
        self._names: Final = UserNames(
            (name for approver in self.approvers for name in approver.kubernetes_users),
            (approver.principal for approver in self.approvers if approver.principal),
        )
        self._by_extra: Final = tuple(approver for approver in self.approvers if approver.identities)
        self._issued: Final = _Issued(self.authorities, self.approvers, (*self._keys.values(), *self._kids.values()))
        listed_identities = [who.identities for who in self._by_extra] + [of.identities for of in self.authorities]
        self.telling_extra: Final = frozenset(key.lower() for some in listed_identities for key, _ in some)
        """The keys of a caller's ``extra``, in lower case, that tell an approver."""
        listed = (*self._keys.values(), *self._kids.values())
        self.usable: Final = len({key.approver.name for key in listed if not key.problem}) + self._issued.usable
        """How many approvers, and authorities, have at least one key that counts, an end of its time left aside."""

    def find(self, blob: bytes) -> RegisteredKey | None:
        """The key that is registered in SSH's notation with exactly this encoding, whether it counts or not."""
        return self._keys.get(blob)

    def find_kid(self, kid: str) -> RegisteredKey | None:
        """The JSON Web Key of exactly this name, whether it counts or not."""
        return self._kids.get(kid)

    def certified(self, blob: bytes) -> RegisteredKey | None:
        """The key of a certificate with exactly this encoding; None for what is no certificate.

        When it is valid, and whether its authority signed it, is for the caller to check. Raises Rejected for a
        certificate of nobody registered, and for one that does not count whenever it is shown.
        """
        return self._issued.find(blob)

    def authority_problem(self, blob: bytes) -> str:
        """The reason why an authority's key of this encoding does not count; empty where it does."""
        return self._issued.problem(blob)

    def may_deny(self, name: str) -> bool:
        """Whether a denial of this name is an approver's: an Approver's name, or what ``denying`` gives."""
        return any(name == approver.name for approver in self.approvers) or any(
            name.startswith(f"{authority.name}{_OF}") for authority in self.authorities
        )

    def knows(self, name: str) -> bool:
        """Whether some approver goes by this user name or is this principal."""
        return name in self._names or any(authority.knows(name) for authority in self.authorities)

    def told_by(self, extra: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """The principals of approvers whom a caller's ``extra`` tells to be that caller."""
        told = {approver.principal for approver in self._by_extra if by_extra(approver.identities, extra)}
        return frozenset(told.union(*(authority.told_by(extra) for authority in self.authorities)))


def shared_names(approvers: Iterable[Approver]) -> dict[str, tuple[str, str]]:
    """The Approvers, by name, that share a user name or an identity with another: what it is, and the other's name."""
    listed = [(approver.name, name) for approver in approvers for name in approver.kubernetes_users]
    # Never taken for a user name: no name holds this character.
    told = [
        (approver.name, f"{identity.key.lower()}\0{identity.value}")
        for approver in approvers
        for identity in approver.identities
    ]
    return shared(told) | shared(listed)


class _Taken:
    """What all approvers' entries say together: who holds a key, what a kid stands for, and when a key ends."""

    def __init__(self, approvers: Sequence[Approver]) -> None:
        self._principals = Counter(folded(approver.principal) for approver in approvers)
        self._holders = Counter(
            blob for approver in approvers for blob in {key.blob for key in approver.keys if key.blob}
        )
        self._kids: dict[str, set[bytes]] = {}
        self.ends: Final[dict[bytes, float]] = {}
        for key in (key for approver in approvers for key in approver.keys):
            if key.kid is not None:
                self._kids.setdefault(key.kid, set()).add(key.blob)
            if key.not_after is not None:
                self.ends[key.blob] = min(key.not_after, self.ends.get(key.blob, key.not_after))

    def problem(self, approver: Approver, key: KeyEntry) -> str:
        """The reason why this key does not count; empty where it does."""
        if key.problem:
            return key.problem
        if not approver.principal or not approver.kubernetes_users:
            return "the Approver names no principal or no Kubernetes user, so that nobody can tell a peer"
        if self._principals[folded(approver.principal)] > 1:
            return f"Duplicate: principal {approver.principal} stands in another Approver too, and counts in neither"
        if self._holders[key.blob] > 1:
            return DUPLICATE
        return DUPLICATE_KID if key.kid is not None and len(self._kids[key.kid]) > 1 else ""


_LONGEST: Final = 63
"""Characters of the name of an annotation."""

_OF: Final = "."
"""Between an authority's name and a principal's in the name of a denial, which has room for no @."""


def denying(key: RegisteredKey) -> str:
    """The name under which the person with this key denies. It decides nothing and proves nobody."""
    if key.certified is None or key.approver.name != key.approver.principal:
        return key.approver.name
    return denying_of(key.certified.authority, key.approver.principal)


def denying_of(authority: str, principal: str) -> str:
    """The name under which a principal of an authority denies."""
    return f"{authority}{_OF}{re.sub('[^a-z0-9]+', '-', principal.lower()).strip('-')}"[:_LONGEST].rstrip("-")


_MOST_CERTIFICATES: Final = 512
"""Remembered at a time: some 3 kB each. Beyond that all are read anew."""

_NOT_OF_AN_AUTHORITY: Final = "the certificate is by no registered ApproverAuthority"
_TWICE: Final = "two ApproverAuthorities speak for the certificate's principal, and neither counts"


class _Issued:
    """The keys that certificates of the authorities stand for.

    What a certificate's bytes tell under one set of authorities and approvers never changes, and is remembered.
    """

    def __init__(
        self, authorities: Sequence[Authority], approvers: Sequence[Approver], listed: Iterable[RegisteredKey]
    ) -> None:
        self._authorities = authorities
        self._listed = {key.entry.blob: key for key in listed if key.entry.blob}
        self._people: dict[str, list[Approver]] = {}
        for approver in approvers:
            self._people.setdefault(folded(approver.principal), []).append(approver)
        self._keys: dict[bytes, list[tuple[Authority, AuthorityKey]]] = {}
        for authority in authorities:
            for key in {key.blob: key for key in authority.keys}.values():
                self._keys.setdefault(key.blob, []).append((authority, key))
        self._found: dict[bytes, RegisteredKey] = {}
        self.usable: Final = sum(any(not self.problem(key.blob) for key in of.keys) for of in authorities)

    def problem(self, blob: bytes) -> str:
        """The reason why an authority's key does not count; empty where it does."""
        holders = self._keys.get(blob, [])
        for _, key in holders:
            if key.problem:
                return key.problem
        if blob in self._listed:
            return "Duplicate: this key stands in an Approver, too: an authority's key is no person's"
        if len(holders) != 1:
            return "Duplicate: this key stands in another ApproverAuthority too, and counts in neither"
        return ""

    def find(self, blob: bytes) -> RegisteredKey | None:
        """The key of a certificate, as ``Registry.certified`` gives it. Raises Rejected."""
        found = self._found.get(blob)
        if found is None and certificates.is_certificate(blob):
            found = self._read(blob)
            if len(self._found) >= _MOST_CERTIFICATES:
                self._found.clear()
            self._found[blob] = found
        return found

    def _read(self, blob: bytes) -> RegisteredKey:
        certificate = certificates.parse(blob)
        holders = self._keys.get(certificate.authority_blob)
        if holders is None:
            raise Rejected(Reason.APPROVER_UNKNOWN, _NOT_OF_AN_AUTHORITY)
        authority, signing = holders[0]
        if self.problem(signing.blob) or signing.public is None:
            raise _not_allowed("the certificate's authority does not count: see its ApproverAuthority's status")
        principal, teams = authority.person(certificate)
        if any(other is not authority and other.speaks_for(principal) for other in self._authorities):
            raise _not_allowed(_TWICE)
        key = certificates.key_of(certificate)
        ends = float(certificate.valid_before)
        listed = self._listed.get(key.blob)
        if listed is not None:
            if listed.problem or listed.approver.principal != principal:
                raise _not_allowed("the certified key stands in an Approver, where it does not count for this person")
            ends = min(ends, ends if listed.entry.not_after is None else listed.entry.not_after)
        if key.blob in self._keys:
            raise _not_allowed("the certified key is an authority's, and no person's")
        approver = self._approver(authority, principal, teams)
        entry = KeyEntry(certificate.key_id, key.blob, key, key.fingerprint, ends)
        return RegisteredKey(entry, approver, "", Certified(blob, certificate, authority.name, signing.public))

    def _approver(self, authority: Authority, principal: str, teams: frozenset[str]) -> Approver:
        """The person of a certificate: as the authority says, and no more than the Approver of the same principal."""
        names, identities = authority.user_names(principal), authority.identities_of(principal)
        registered = self._people.get(folded(principal), [])
        if not registered:
            return Approver(principal, principal, names, teams, identities=identities)
        approver = registered[0]
        if len(registered) > 1 or approver.principal != principal or not approver.kubernetes_users:
            raise _not_allowed("the Approvers of the certificate's principal do not count: see their status")
        if not approver.certificates:
            raise _not_allowed("the Approver of the certificate's principal takes its own keys alone")
        names |= approver.kubernetes_users
        identities += approver.identities
        return Approver(approver.name, principal, names, teams & approver.teams, identities=identities)


def _not_allowed(detail: str) -> Rejected:
    return Rejected(Reason.APPROVER_NOT_ALLOWED, detail)
