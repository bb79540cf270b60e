"""A clock that nobody sets, and that goes on while the machine is suspended: for how old something is, and terms."""

import time
from functools import partial
from typing import Final

CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux' CLOCK_MONOTONIC stands still while a machine is suspended; macOS' does not."""

steady: Final = partial(time.clock_gettime, CLOCK)
"""The seconds since some moment in the past."""
