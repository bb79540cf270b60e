"""The port for probes and Prometheus: /healthz, /readyz and /metrics over plain HTTP."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from seconder.http.handler import Page, Reader
from seconder.http.limits import Limits
from seconder.http.listener import Listener
from seconder.http.protocol import Shared
from seconder.observability import log

Unmet = Callable[[], Sequence[str]]
"""Gives one line for each condition that is wanting; none when all is well."""

CONNECTIONS: Final = 64
_TEXT: Final = b"text/plain; charset=utf-8"
_VERSIONS: Final = {"0.0.1", "0.0.4", "1.0.0"}
"""Of OpenMetrics and of the text format, as Prometheus asks for them."""

_DRAIN_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 2.0


class Ops:
    """Serves the three on ``listening`` from a thread of its own.

    ``stuck`` is asked on each /healthz, ``unmet`` on each /readyz, and ``registry`` is rendered on each /metrics.

    A thread, because neither probes nor metrics may wait for what they are about: rendering never holds up reviews, and
    a loop that is busy with reviews is alive. A probe that had to wait for its turn there would have the kubelet kill
    the process when it is needed most. What a thread cannot see by itself, that the loop hangs, ``stuck`` and ``unmet``
    tell it.

    What reviews are served by serves these, too: the bounds are the same, but for the number of ``connections``, and
    nothing else has to be loaded before the first probe is answered (ADR 10).
    """

    def __init__(
        self,
        listening: socket.socket,
        unmet: Unmet,
        registry: CollectorRegistry,
        stuck: Unmet = tuple,
        connections: int = CONNECTIONS,
    ) -> None:
        pages: dict[str, Reader] = {
            "/healthz": lambda _: _verdict(stuck()),
            "/readyz": lambda _: _verdict(unmet()),
            "/metrics": _Exposition(registry).render,
        }
        # Nobody reads a body here, so none may be sent.
        limits = Limits(connections=connections, body_bytes=0)
        shared = Shared({}, lambda error: log.failure("a probe or a scrape failed", error), limits, pages=pages)
        self._listener = Listener(listening, shared)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="ops", daemon=True)

    def start(self) -> None:
        """Begin to serve; the process may end without ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; wait for it a little."""
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._listener.start(tasks)
            try:
                await self._stopping.wait()
                await self._listener.drain(_DRAIN_SECONDS, asyncio.Event())
            finally:
                self._listener.close()


class _Exposition:
    """Renders the metrics in a thread, so that probes do not wait while there are many series; once at a time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._one_at_a_time = asyncio.Lock()

    async def render(self, accept: bytes) -> Page:
        encode, content_type = choose_encoder(_known(accept.decode("latin-1")))
        async with self._one_at_a_time:
            rendered = await asyncio.to_thread(encode, self._registry)
        return Page(rendered, content_type.encode())


def _known(accept: str) -> str:
    """What of an Accept header names a version that there is, quoted or not (RFC 9110, section 5.6.6).

    The library takes any text for a version, and fails by one that is no number.
    """
    ranges = accept.replace('"', "").split(",")
    return ",".join(each for each in ranges if _versions(each) <= _VERSIONS)


def _versions(media_range: str) -> set[str]:
    named = (parameter.strip().split("=", 1) for parameter in media_range.split(";")[1:])
    return {value for name, *given in named for value in given if name == "version"}


def _verdict(reasons: Sequence[str]) -> Page:
    if reasons:
        told = "".join(f"{reason}\n" for reason in reasons)
        return Page(told.encode(errors="backslashreplace"), _TEXT, HTTPStatus.SERVICE_UNAVAILABLE)
    return Page(b"ok", _TEXT)
