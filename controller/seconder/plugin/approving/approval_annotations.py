"""Which annotation an approval of one's own goes into."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType

from seconder.api.reasons import Reason, Rejected
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Candidate, Context, Memo, authenticate, check_fit, examine
from seconder.plugin.terminal.problem import Problem

_LONGEST: Final = 63
_MOST: Final = 99
_MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
"""Of all keys and values together: TotalAnnotationSizeLimitB of Kubernetes' validation."""


class Wish(NamedTuple):
    """What an approval is to fit, and the change request that it names."""

    fitting: Context
    txn: str | UnsetType


_ANOTHER_WISH: Final = frozenset({Reason.WRONG_REQUESTER, Reason.WRONG_ACTION})


def slug_for(
    approver: str, values: Mapping[str, str], principal: str, wish: Wish, registry: Registry, now: float
) -> str:
    """The slug for an approval by this Approver: in place of one's own earlier one, or of one that is no use.

    Nobody else's approval is replaced, nor one's own for another wish. Raises Problem when none is left.
    """
    base = fit(approver)
    for number in range(1, _MOST + 1):
        slug = base if number == 1 else f"{base[: _LONGEST - len(f'-{number}')].rstrip('-')}-{number}"
        if slug not in values or _replaceable(values[slug], principal, wish, registry, now):
            return slug
    raise Problem(
        f"the object carries {_MOST} approvals under {base} already: remove some with kubectl seconder revoke"
    )


def fit(name: str) -> str:
    """A slug made of an Approver's name: ``[a-z0-9-]``, at most 63 characters."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].rstrip("-") or "approver"


def within_limit(annotations: Mapping[str, str], key: str, value: str) -> None:
    """Raise Problem where the object's annotations would become larger than Kubernetes takes."""
    size = sum(len(name.encode()) + len(text.encode()) for name, text in {**annotations, key: value}.items())
    if size > _MAX_ANNOTATIONS_BYTES:
        raise Problem(
            f"the object's annotations would have {size:,} bytes of {_MAX_ANNOTATIONS_BYTES:,}: remove some first"
        )


def _replaceable(value: str, principal: str, wish: Wish, registry: Registry, now: float) -> bool:
    memo = Memo(1)
    try:
        candidate: Candidate = examine(value, registry, now, memo)
        authenticate(candidate, memo)
    except Rejected:
        return True
    try:
        check_fit(candidate, wish.fitting, now)
    except Rejected as rejected:
        return rejected.reason not in _ANOTHER_WISH
    claims = candidate.signed.statement
    # One that is for other objects as well may be what waits there. A quorum signs for one change request.
    return (
        claims.iss == principal
        and len(claims.authorization_details) == 1
        and claims.txn in {UNSET, wish.txn}
        and wish.fitting.action in claims.authorization_details[0].actions
    )
