"""Where authorities and approvers stand in each other's way: told on their status, and held to at each verification."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from seconder.api.approver_authority import PLACE
from seconder.approvals.certificates.authority import Authority
from seconder.approvals.registry import Approver
from seconder.approvals.user_names import ANY, meet

APPROVER: Final = "Approver"
AUTHORITY: Final = "ApproverAuthority"


class Party(NamedTuple):
    """An Approver or an ApproverAuthority, by its kind and name."""

    kind: str
    name: str


class Overlap(NamedTuple):
    """What a party shares with another one."""

    party: Party
    what: str
    other: Party


def principals(authorities: Sequence[Authority]) -> dict[str, tuple[str, str]]:
    """The authorities that may speak for somebody for whom another one may: for whom, and that one's name."""
    found: dict[str, tuple[str, str]] = {}
    for authority, other in _pairs(authorities):
        for principal in sorted(authority.principals):
            if _shares(other, principal):
                found.setdefault(authority.name, (principal, other.name))
    return found


def _shares(authority: Authority, principal: str) -> bool:
    """Whether one of an authority's principals is what this pattern says, too."""
    if ANY not in principal:
        return authority.speaks_for(principal)
    domain = principal.partition("@")[2]
    exact = (name for name in authority.principals if ANY not in name)
    return domain in authority.domains or any(name.endswith(f"@{domain}") for name in exact)


def user_names(authorities: Sequence[Authority], approvers: Sequence[Approver]) -> Iterator[Overlap]:
    """User names of an authority's principals that may stand for somebody else, each party told once a pair at most."""
    for authority in authorities:
        own = Party(AUTHORITY, authority.name)
        for approver in approvers:
            name = next((name for name in sorted(approver.kubernetes_users) if _another(authority, approver, name)), "")
            if name:
                other = Party(APPROVER, approver.name)
                yield Overlap(own, name, other)
                yield Overlap(other, name, own)
    for authority, other_authority in _pairs(authorities):
        if any(_shares(other_authority, principal) for principal in authority.principals):
            continue  # Told by ``principals`` already, and not two people.
        met = _meeting(authority.patterns(), tuple(other_authority.patterns()))
        if met:
            yield Overlap(Party(AUTHORITY, authority.name), met, Party(AUTHORITY, other_authority.name))


def _another(authority: Authority, approver: Approver, name: str) -> bool:
    """Whether an approver's user name may stand for a principal of the authority who is not this approver."""
    if ANY not in name and authority.named(name) - {approver.principal}:
        return True
    for template in authority.kubernetes_users:
        own = template.replace(PLACE, approver.principal)
        # What stands for the approver's own principal alone is no other person.
        if name == own or (ANY not in name and meet(own, name)):
            continue
        starred = ANY in name or ANY in template
        if starred and any(meet(template.replace(PLACE, principal), name) for principal in authority.principals):
            return True
    return False


def _meeting(patterns: Iterable[str], others: Sequence[str]) -> str:
    return next((pattern for pattern in patterns if any(meet(pattern, other) for other in others)), "")


def _pairs(authorities: Sequence[Authority]) -> Iterator[tuple[Authority, Authority]]:
    for authority in authorities:
        yield from ((authority, other) for other in authorities if other is not authority)
