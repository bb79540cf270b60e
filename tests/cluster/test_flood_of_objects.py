"""An agent that makes, lists and writes very many and very large objects. At full size: ``python -m bench flood``."""

from pathlib import Path

from bench import flood

from localstack.binaries import provide
from localstack.stack import Stack

_MOST = 2.0


def test_a_flood_of_objects_slows_no_person_and_ends_no_program(tmp_path: Path) -> None:
    """Both programs stay below the chart's limits, also while they start on it; and people are answered as they were.

    What the flood does to the API server itself everybody feels, on a machine of two cores the more so. So a person's
    wait is held against that for requests about which no webhook is asked, in the same run; and against what it is
    where agents have no priority level of their own.
    """
    stack = Stack(tmp_path / "stack", provide(any_kubectl=False), controllers=False, apiserver_flags=flood.FLAGS)
    with stack:
        figures = flood.Flood(stack, flood.SMALL).run()
    told = flood.table(flood.SMALL, figures)
    bounds = flood.limits()
    assert figures.webhook < bounds["webhook"], told
    assert figures.operator < bounds["operator"], told
    assert figures.failed == [], told
    assert figures.writes > 0, told
    assert figures.slower < _MOST * max(1.0, figures.slower_unasked), told
    assert _MOST * figures.slower < figures.slower_unbounded, told
