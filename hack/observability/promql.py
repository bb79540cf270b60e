"""Pieces of PromQL that alerts and panels have in common."""

from typing import Final

ENFORCING: Final = 'name=~".+[.]seconder[.]dev",name!~"audit-.+"'
"""Labels by which the API server's metrics name the entries that refuse, so all but Audit's.

Its job's name is another one in each installation, and is asked for nowhere.
"""

CHANGES: Final = 'verb=~"POST|PUT|PATCH|APPLY|DELETE|DELETECOLLECTION",dry_run=""'
"""Labels by which the API server's metrics tell changes from reads."""

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


def duration(seconds: float) -> str:
    """Write a time as Prometheus does, in the largest unit that it is a multiple of."""
    milliseconds = round(seconds * 1000)
    size, unit = next(unit for unit in _UNITS if milliseconds % unit[0] == 0)
    return f"{milliseconds // size}{unit}"


def grown(counter: str, window: str) -> str:
    """The growth of each series of a counter, also one that appeared within the window.

    ``increase`` alone misses the first event of a labelled counter: the series begins with it, at 1. Series that have
    ended meanwhile count too, as of pods that were replaced.
    """
    return (
        f"\n  increase({counter}[{window}]) and {counter} offset {window}"
        f"\n  or max_over_time({counter}[{window}]) unless {counter} offset {window}\n"
    )
