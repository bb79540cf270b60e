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
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.registry import Collector

from seconder.observability.listening import bind
from seconder.observability.ops import ops_app
from seconder.webhook import serving
from seconder.webhook.front import BadReview, Front
from seconder.webhook.tls import ServingCertificate


@dataclass
class Options:
    """``folder`` holds tls.crt and tls.key, or will. ``limits`` replaces fields of both ports'.

    ``files`` is how many file descriptors the process may have; 0 leaves it at what the machine says.
    """

    folder: str
    limits: dict[str, float] = field(default_factory=dict)
    drain_delay: float = 0.0
    drain_timeout: float = 5.0
    scrape_seconds: float = 0.0
    files: int = 0


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


async def review(body: bytes) -> bytes:
    """Do what the body says, else answer with its size and uid."""
    order = json.loads(body)
    if "sleep" in order:
        await asyncio.sleep(order["sleep"])
    if "crash" in order:
        raise RuntimeError(order["crash"])
    if "uid" not in order:
        raise BadReview("no uid")
    return json.dumps({"uid": order["uid"], "size": len(body)}).encode()


async def audit(body: bytes) -> bytes:
    """Answer differently from ``review``."""
    return b'{"audit": true}'


async def peak(body: bytes) -> bytes:
    """Give the highest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return b"%d" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


async def spent(body: bytes) -> bytes:
    """Give the CPU time of this process so far, in seconds."""
    return str(time.process_time()).encode()


async def main(options: Options) -> None:
    """Serve until told to stop."""
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
    if options.scrape_seconds:
        registry.register(SlowCollector(options.scrape_seconds))
    reviews, ops = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    say(reviews.getsockname()[1], ops.getsockname()[1])
    load()
    routes = {"/validate": review, "/validate/audit": audit, "/peak": peak, "/spent": spent}
    clean = await serving.serve(
        Front(routes, FastAPI(openapi_url=None), report),
        certificate,
        reviews,
        ops_app(lambda: [] if ready else ["not serving reviews"], registry),
        ops,
        on_ready,
        drain_delay=options.drain_delay,
        drain_timeout=options.drain_timeout,
        review_limits=replace(serving.REVIEW_LIMITS, **options.limits),  # type: ignore[arg-type]
        ops_limits=replace(serving.OPS_LIMITS, **options.limits),  # type: ignore[arg-type]
    )
    say("drained" if clean else "cut")


if __name__ == "__main__":
    uvloop.run(main(Options(**json.loads(sys.argv[1]))))
