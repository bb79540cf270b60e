"""Where the time of a cold start goes: Python's own account of what importing took."""

import re
from collections import Counter
from typing import Final

_LINE: Final = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
_SHOWN: Final = 5

ENVIRONMENT: Final = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Makes Python write, for each module, the microseconds of its import without what it imports in turn."""


def spent(log: str) -> str:
    """Sum up a log that was written under ``ENVIRONMENT``, by package. Tracing makes it somewhat slower."""
    packages: Counter[str] = Counter()
    for microseconds, module in _LINE.findall(log):
        packages[module.partition(".")[0]] += int(microseconds)
    largest = ", ".join(f"{name} {time / 1e6:.2f}" for name, time in packages.most_common(_SHOWN))
    return f"{packages.total() / 1e6:.2f} s of imports (traced), the most in: {largest}"
