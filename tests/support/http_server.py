"""A program that serves reviews as ``seconder webhook`` does, with a handler that does what the body tells it.

Takes one JSON argument (see ``Options``), prints its ports and then what happens to it, one line each. SIGHUP loads the
certificate again from the folder.
"""

import asyncio
import json
import resource
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.registry import Collector

from seconder.http.address import bind
from seconder.http.handler import BadReview, Handler
from seconder.http.limits import Limits
from seconder.http.listener import Listener
from seconder.http.protocol import Shared
from seconder.http.server import Drain, Pulse, serve
from seconder.http.tls import ServingCertificate
from seconder.observability import log
from seconder.observability.ops import Ops


@dataclass
class Options:
    """``folder`` holds tls.crt and tls.key, or will. ``limits`` replaces fields of those for reviews.

    ``files`` is how many file descriptors the process may have; 0 leaves it at what the machine says. An event loop
    that stands for ``stuck_seconds`` is reported by both probes.
    """

    folder: str
    limits: dict[str, float] = field(default_factory=dict)
    drain_delay: float = 0.0
    drain_timeout: float = 5.0
    scrape_seconds: float = 0.0
    files: int = 0
    ops_connections: int = 64
    stuck_seconds: float = 60.0


class SlowCollector(Collector):
    """Takes its time to render, as very many series would."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        time.sleep(self._seconds)
        yield Metric("slow", "Nothing.", "gauge")


def say(*words: object) -> None:
    """Tell the test."""
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def review(body: bytes) -> bytes | Awaitable[bytes]:
    """Do what the body says, else answer with its size and uid."""
    order = json.loads(body)
    if "hold" in order:
        time.sleep(order["hold"])
    if "sleep" in order:
        return review_later(order, len(body))
    return obey(order, len(body))


async def review_later(order: dict[str, Any], size: int) -> bytes:
    """Do the same after a while, and say that it was done."""
    try:
        await asyncio.sleep(order["sleep"])
        return obey(order, size)
    finally:
        say("slept", order.get("uid"))


def obey(order: dict[str, Any], size: int) -> bytes:
    """Do what is left to do."""
    more = b" " * int(order.get("more", 0))
    if "crash" in order:
        raise RuntimeError(order["crash"])
    if "uid" not in order:
        raise BadReview("no uid")
    return json.dumps({"uid": order["uid"], "size": size}).encode() + more


async def audit(body: bytes) -> bytes:
    """Answer differently from ``review``, and as a task."""
    return b'{"audit": true}'


def peak(body: bytes) -> bytes:
    """Give the highest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return b"%d" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def spent(body: bytes) -> bytes:
    """Give the CPU time of this process so far, in seconds."""
    return str(time.process_time()).encode()


async def main(options: Options) -> None:
    """Serve until told to stop."""
    log.for_libraries()
    if options.files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.files, options.files))
    folder = Path(options.folder)
    certificate = ServingCertificate()

    def load() -> None:
        try:
            certificate.reload((folder / "tls.crt").read_bytes(), (folder / "tls.key").read_bytes())
        except (OSError, ValueError) as error:
            say("kept", error)
        else:
            say("loaded")

    ready = False

    def on_ready(now: bool) -> None:
        nonlocal ready
        ready = now
        say("ready" if now else "unready")

    def report(error: Exception) -> None:
        say("reported", "".join(traceback.format_exception(error)).replace("\n", "|"))

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, load)
    registry = CollectorRegistry()
    Counter("tests", "A counter.", registry=registry).inc()
    Gauge("left_out", "Lines of libraries that were not written.", registry=registry).set_function(log.left_out)
    if options.scrape_seconds:
        registry.register(SlowCollector(options.scrape_seconds))
    sock, pulse = bind("127.0.0.1", 0), Pulse()

    def unmet() -> list[str]:
        return ([] if ready else ["not serving reviews"]) + pulse.standing(options.stuck_seconds)

    listening = bind("127.0.0.1", 0)
    say(sock.getsockname()[1], listening.getsockname()[1])
    ops = Ops(listening, unmet, registry, lambda: pulse.standing(2 * options.stuck_seconds), options.ops_connections)
    ops.start()
    load()
    routes: dict[str, Handler] = {"/validate": review, "/validate/audit": audit, "/peak": peak, "/spent": spent}
    limits = replace(Limits(), **options.limits)  # type: ignore[arg-type]
    listener = Listener(sock, Shared(routes, report, limits), certificate)
    try:
        clean = await serve(listener, on_ready, Drain(options.drain_delay, options.drain_timeout), pulse)
    finally:
        ops.stop()
    say("drained" if clean else "cut")


if __name__ == "__main__":
    uvloop.run(main(Options(**json.loads(sys.argv[1]))))
