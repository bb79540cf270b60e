"""ServiceAccounts to what decisions need of them: who operates an agent, and when its tokens end."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from seconder.api import constants, moments

_OVER: Final = 0.0
_LONGEST: Final = 1024
"""Characters of an operator's name that are kept: no approver has a longer one, so that it stays nobody's."""


class Account(NamedTuple):
    """What is recorded on a ServiceAccount. ``token_end`` is in seconds since 1970; None where no end is set."""

    operator: str | None
    token_end: float | None


def account(document: Mapping[str, Any]) -> Account | None:
    """Read a ServiceAccount; None where it records neither. An end that is no RFC 3339 time has passed already."""
    annotations = document["metadata"].get("annotations") or {}
    end = annotations.get(constants.TOKEN_END_KEY)
    # Kept of all ServiceAccounts there are, which agents may make, too.
    operator = annotations.get(constants.OPERATOR_KEY, "")[:_LONGEST] or None
    recorded = Account(operator, None if end is None else _seconds(end))
    return None if recorded == Account(None, None) else recorded


def _seconds(text: str) -> float:
    read = moments.seconds(text)
    return _OVER if read is None else read
