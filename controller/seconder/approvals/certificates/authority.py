"""A certificate authority as an ApproverAuthority registers it: for whom it may speak, and which certificates count."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from seconder.api.approver_authority import PLACE
from seconder.api.policy import TEAM
from seconder.api.reasons import Reason, Rejected
from seconder.approvals.certificates.certificate import Certificate
from seconder.approvals.keys import PublicKey, fingerprint
from seconder.approvals.user_names import ANY, Identity, folded, matches

BACKDATED_SECONDS: Final = 300
"""By so much more than ``maxValidity`` a certificate may last: CAs let it begin a little earlier, for clocks that are
late. ssh-keygen does by one to two minutes, others by up to five."""

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'+=?^_`|~.-]{1,64}")
"""What stands before the @ where any may: RFC 5322's atext and the dot, without what means something in a pattern or a
template. No letter beyond ASCII: it could look like another's."""

_TEAM: Final = re.compile(TEAM)
_TEAM_LENGTH: Final = 63
_MAX_TEAMS: Final = 32


class Certified(Struct, frozen=True, gc=False):
    """A certificate that counts, as far as its bytes and its authority tell: when, and that it is signed, is not said.

    ``blob`` is its encoding, ``authority`` the ApproverAuthority's name, ``key`` the one that is to have signed it.
    """

    blob: bytes
    certificate: Certificate
    authority: str
    key: PublicKey

    @property
    def shown(self) -> str:
        """The certificate in a few words, for the record. Its key id is any text."""
        return f"{self.authority}: {self.certificate.key_id} (serial {self.certificate.serial})"


@dataclass(frozen=True, slots=True)
class AuthorityKey:
    """An authority's key as it is listed. ``public`` is None where ``problem`` says why it is unusable."""

    blob: bytes
    public: PublicKey | None
    fingerprint: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Authority:
    """One ApproverAuthority. ``max_validity`` is in seconds; ``team_prefix`` is empty where certificates name no teams.

    ``kubernetes_users`` and ``identities`` are templates, in which the principal stands at its place.
    """

    name: str
    keys: tuple[AuthorityKey, ...]
    principals: frozenset[str]
    kubernetes_users: frozenset[str] = frozenset({PLACE})
    identities: tuple[Identity, ...] = ()
    team_prefix: str = ""
    max_validity: int = 86400
    serials: frozenset[int] = frozenset()
    key_ids: frozenset[str] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    domains: frozenset[str] = field(init=False, compare=False, repr=False)
    _folded: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Take the domains out of the patterns."""
        domains = (pattern[2:] for pattern in self.principals if pattern.startswith(f"{ANY}@"))
        object.__setattr__(self, "domains", frozenset(domains))
        object.__setattr__(self, "_folded", frozenset(map(folded, self.principals)))

    def speaks_for(self, principal: str) -> bool:
        """Whether this is one of its principals. The prefix of teams makes one nobody's."""
        if self.team_prefix and principal.startswith(self.team_prefix):
            return False
        if principal in self.principals and ANY not in principal:
            return True
        local, _, domain = principal.rpartition("@")
        return domain in self.domains and _LOCAL.fullmatch(local) is not None

    def _may_mean(self, name: str) -> bool:
        """Whether a user name stands for one of its principals, compared as user names are."""
        if self.team_prefix and name.startswith(self.team_prefix):
            return False
        name = folded(name)
        local, _, domain = name.rpartition("@")
        listed = name in self._folded and ANY not in name
        return listed or (f"{ANY}@{domain}" in self._folded and _LOCAL.fullmatch(local) is not None)

    def person(self, certificate: Certificate) -> tuple[str, frozenset[str]]:
        """The principal and the teams of a certificate by one of its keys. Raises Rejected where it does not count."""
        revoked = (
            certificate.serial in self.serials
            or certificate.key_id in self.key_ids
            or fingerprint(certificate.key_blob) in self.fingerprints
        )
        if revoked:
            raise Rejected(Reason.KEY_REVOKED, "the certificate is revoked")
        if certificate.valid_before - certificate.valid_after > self.max_validity + BACKDATED_SECONDS:
            raise _not_allowed("the certificate is valid for longer than its ApproverAuthority takes")
        people = [name for name in certificate.principals if self.speaks_for(name)]
        if len(people) != 1:
            many = "several principals" if people else "no principal"
            raise _not_allowed(f"the certificate names {many} that its ApproverAuthority may speak for")
        return people[0], frozenset(self._teams(certificate.principals))

    def _teams(self, names: Sequence[str]) -> Iterator[str]:
        if not self.team_prefix:
            return
        teams = [name.removeprefix(self.team_prefix) for name in names if name.startswith(self.team_prefix)]
        for team in teams[:_MAX_TEAMS]:
            if len(team) <= _TEAM_LENGTH and _TEAM.fullmatch(team):
                yield team

    def user_names(self, principal: str) -> frozenset[str]:
        """The user names of a principal."""
        return frozenset(template.replace(PLACE, principal) for template in self.kubernetes_users)

    def identities_of(self, principal: str) -> tuple[Identity, ...]:
        """What tells a principal in a caller's ``extra``."""
        return tuple(Identity(key, template.replace(PLACE, principal)) for key, template in self.identities)

    def patterns(self) -> Iterator[str]:
        """All user names that stand for some principal of it, as patterns."""
        for template in sorted(self.kubernetes_users):
            for principal in sorted(self.principals):
                yield template.replace(PLACE, principal)

    def named(self, name: str) -> set[str]:
        """The principals for whom a user name stands by a template without ``*``, or by itself."""
        found = {name} if self._may_mean(name) else set()
        for template in self.kubernetes_users:
            if ANY not in template:
                found |= self._within(template, name)
        return found

    def knows(self, name: str) -> bool:
        """Whether some principal of it goes by this user name."""
        if self.named(name):
            return True
        starred = (template for template in self.kubernetes_users if ANY in template)
        return any(
            matches(folded(template.replace(PLACE, principal)), folded(name))
            for template in starred
            for principal in self.principals
        )

    def told_by(self, extra: Mapping[str, Sequence[str]]) -> set[str]:
        """The principals whom a caller's ``extra`` tells to be that caller."""
        found: set[str] = set()
        for identity in self.identities:
            for key, values in extra.items():
                if key.lower() == identity.key.lower():
                    for value in values:
                        found |= self._within(identity.value, value)
        return found

    def _within(self, template: str, text: str) -> set[str]:
        """The one principal at the template's place in a text, if it is one of its own."""
        before, _, after = template.partition(PLACE)
        end = len(text) - len(after)
        if end <= len(before) or folded(text[: len(before)]) != folded(before) or folded(text[end:]) != folded(after):
            return set()
        principal = text[len(before) : end]
        return {principal} if self._may_mean(principal) else set()


def _not_allowed(detail: str) -> Rejected:
    return Rejected(Reason.APPROVER_NOT_ALLOWED, detail)
