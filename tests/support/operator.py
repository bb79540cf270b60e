"""The shared stack's operator, started otherwise for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from localstack.stack import Stack


@contextmanager
def operator_with(stack: Stack, *flags: str) -> Iterator[None]:
    """Have the operator run with these flags inside; without any, have none."""
    stack.seconder.stop_operator()
    if flags:
        stack.seconder.start_operator(*flags)
        stack.seconder.wait_ready()
    try:
        yield
    finally:
        if flags:
            stack.seconder.stop_operator()
        stack.seconder.start_operator()
        stack.seconder.wait_ready()
