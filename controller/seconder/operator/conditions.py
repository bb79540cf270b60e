"""Status conditions (KEP-1623): what a person reads in ``kubectl describe``."""

from collections.abc import Sequence
from datetime import UTC, datetime

from seconder.api.conditions import ConditionDoc
from seconder.api.text import clean

_MAX_MESSAGE = 1024


def condition(
    kind: str, *, ok: bool, reason: str, text: str, generation: int, before: Sequence[ConditionDoc]
) -> ConditionDoc:
    """Make a condition that keeps its transition time while its status stays the same."""
    value = "True" if ok else "False"
    since = next(
        (
            condition.last_transition_time
            for condition in before
            if condition.type == kind and condition.status == value
        ),
        None,
    )
    return ConditionDoc(
        type=kind,
        status="True" if ok else "False",
        reason=reason,
        message=clean(text) if len(text) < _MAX_MESSAGE else clean(text[:_MAX_MESSAGE]),
        last_transition_time=since or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        observed_generation=generation,
    )
