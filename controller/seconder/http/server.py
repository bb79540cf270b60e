"""Serving reviews until told to stop: signals, readiness, draining."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from seconder.http.listener import Listener

_BEAT_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Drain:
    """The times of a shutdown, in seconds.

    For ``delay`` after the signal new connections are still taken, because the API server's side learns only by and by
    that this process ends. Then ``Listener.drain`` has ``timeout``.
    """

    delay: float
    timeout: float


class Pulse:
    """Tells other threads when the event loop last turned. Its start counts as a turn."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def standing(self, seconds: float) -> list[str]:
        """One line that says so, when the loop has not turned for so long; no line when it has."""
        still = time.monotonic() - self._last > seconds
        return [f"the event loop has not turned for {seconds:g} s"] if still else []

    async def beat(self) -> None:
        """Note each turn of the running loop, twice a second, until cancelled."""
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)


async def serve(listener: Listener, ready: Callable[[bool], None], drain: Drain, pulse: Pulse) -> bool:
    """Serve until SIGTERM or SIGINT, then drain. True when every review that had begun was answered.

    Reviews begin once the listener's certificate has been loaded. ``ready`` is called with True then, and with False on
    the signal. A second signal ends waiting. Runs on the main thread's event loop.
    """
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(pulse.beat())
        try:
            if listener.certificate is None or await _first(listener.certificate.loaded(), stop):
                listener.start(tasks)
                ready(True)
                await stop.wait()
                ready(False)
                await _first(asyncio.sleep(drain.delay), hurry)
            return await listener.drain(drain.timeout, hurry)
        finally:
            listener.close()
            beating.cancel()


async def _first(work: Coroutine[Any, Any, None], event: asyncio.Event) -> bool:
    """Wait for ``work`` or ``event``; True when ``work`` was done."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0] in done
    finally:
        for task in tasks:
            task.cancel()
