"""Imports without the garbage collector, which would look through all that was imported, again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing is collected meanwhile, and what is there at the end is never looked through again (``gc.freeze``).

    What is imported stays for as long as the process does, and a look through all of it takes tens of milliseconds:
    while a program starts, and later between two reviews.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
