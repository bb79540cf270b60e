"""Counts calls: what must not grow by the product of two sizes is bounded by them, since time is no measure."""

import gc
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


def counted(work: Callable[[], T], *, built_in: bool = False) -> tuple[T, Counter[str]]:
    """What some work gives, and the Python functions that it calls, each as often as it does, by file and name.

    Generators that are resumed are among them, and with ``built_in`` what Python has built in. The collector rests
    meanwhile: whoever has a callback in it, as hypothesis has, would be counted now and then.
    """
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            calls[f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}"] += 1
        elif built_in and event == "c_call":
            calls["built in"] += 1

    before = sys.getprofile()
    gc.disable()
    sys.setprofile(count)
    try:
        done = work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return done, calls
