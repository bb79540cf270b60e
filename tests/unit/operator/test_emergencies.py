"""Each emergency is handed on once: neither those of long ago, nor any twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.served import Served

from seconder.api import emergency
from seconder.api.emergency import BreakGlassUse
from seconder.operator.emergencies import Emergencies, _Seen, _seen

TOLD = BreakGlassUse(object="deployments.apps payments/checkout", operation="DELETE", requester="erin", reason="INC-7")


def _event(name: str, seconds_ago: int = 0, **metadata: Any) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {"name": name, "annotations": TOLD.annotations} | metadata, "lastTimestamp": at}


def _of(*events: dict[str, Any]) -> dict[str, _Seen]:
    read = {event["metadata"]["name"]: _seen(event) for event in events}
    return {name: seen for name, seen in read.items() if seen is not None}


class _Followed(Emergencies):
    def __init__(self) -> None:
        self.names: list[str] = []
        super().__init__(
            Served(), "seconder-system", lambda name, _: self.names.append(name), lambda _what, _error: None
        )


def test_at_the_start_those_of_a_moment_ago_are_told() -> None:
    """The operator that led before has told the others."""
    followed = _Followed()
    followed._listed(_of(_event("old", 90), _event("new", 5)))
    assert followed.names == ["new"]


def test_each_is_told_once() -> None:
    """Seen by the watch, and listed again; and what came while the watch was down, however long that was."""
    followed = _Followed()
    followed._listed(_of(_event("old", 90)))
    (seen,) = _of(_event("a")).values()
    followed._changed("a", None, seen)
    followed._changed("a", seen, seen)
    followed._listed(_of(_event("old", 90), _event("a"), _event("b", 600)))
    followed._changed("b", seen, None)
    assert followed.names == ["a", "b"]


@pytest.mark.parametrize(
    "annotations", [None, {}, {"seconder.dev/emergency": "{}"}, {"seconder.dev/emergency": '{"object": 1}'}]
)
def test_what_tells_of_no_emergency_is_passed_over(annotations: Any) -> None:
    """Any other Event."""
    assert emergency.read(_event("other", annotations=annotations)) is None


def test_what_is_written_is_what_is_read() -> None:
    """By the one program from the other."""
    assert emergency.read(_event("a")) == TOLD
