"""Puts the portal together: what it mirrors, what it serves, and when it ends."""

import signal
import threading
from dataclasses import dataclass

from seconder.client.api import Api, ApiError
from seconder.client.credentials import Credentials
from seconder.http.address import bind
from seconder.observability import log
from seconder.observability.metrics import registry
from seconder.observability.ops import Ops
from seconder.portal.app import Portal
from seconder.portal.server import Server
from seconder.portal.view import View


@dataclass(frozen=True, slots=True)
class Options:
    """How the portal was started. ``origin`` is where browsers find it; addresses are (host, port)."""

    origin: str
    address: tuple[str, int]
    ops_address: tuple[str, int]
    cluster_id: str


def run(credentials: Credentials, options: Options) -> None:
    """Serve until told to stop. Raises OSError when an address is not to be had."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    api = Api(credentials, user_agent="seconder-portal", connections=16)
    view = View(api, _failed, cluster_id=options.cluster_id)
    probes = Ops(bind(*options.ops_address), view.unmet, registry())
    pages = Server(Portal(api, view, options.origin).app(), bind(*options.address))
    view.start()
    probes.start()
    pages.start()
    log.info("the portal is served", origin=options.origin)
    stopping.wait()
    pages.stop()
    view.stop()


def _failed(what: str, error: Exception) -> None:
    if isinstance(error, ApiError):
        log.trouble("a watch was interrupted", error, watch=what)
    else:
        log.failure("a watch was interrupted", error, watch=what)
