"""Seconder's own kinds, watched by kopf: each change wakes the reconciling thread."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import kopf

from seconder.api import constants
from seconder.client import tls
from seconder.client.credentials import Credentials
from seconder.observability import log

_WATCH_RETRY_SECONDS: Final = (0.2, 0.5, 1.0, *(2.0 for _ in range(1800)))
"""Between attempts to watch, for an hour. Kopf's own pauses grow to 21 s, and after the ninth 403 it gives up."""

_IDENTITY: Final[Any] = "seconder-operator"
"""Ours among kopf's peers, of which there are none. Left out, kopf asks for a login name, and not every user of a pod
has one."""


async def watch(credentials: Credentials, wake: Callable[[], None], stop: asyncio.Event) -> None:
    """Call ``wake`` after each change that tells something, until ``stop`` is set. Raises what kopf gives up for."""
    await kopf.operator(
        registry=_registry(credentials, wake), identity=_IDENTITY, clusterwide=True, standalone=True, stop_flag=stop
    )


def log_warnings() -> None:
    """Have what kopf warns of in the log of the operator, in its form."""
    kopfs = logging.getLogger("kopf")
    kopfs.handlers, kopfs.propagate = [_handler()], False


async def session(credentials: Credentials, *, refused: bool = False) -> kopf.AiohttpSession:
    """The API server as everything else here reaches it, in the same name. Raises NoCredentials.

    ``refused``: the API server did not accept the last one.
    """
    if refused and credentials.plugin is not None:
        credentials.plugin.refused()
    # A token may be read from a disk, and a plugin takes its time.
    identity = await asyncio.to_thread(credentials.identity)
    # This client encodes them as UTF-8 itself.
    headers = [(name, value.encode("latin-1").decode()) for name, value in credentials.headers(identity)]
    context = tls.context(credentials, identity)
    made = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context), headers=headers, proxy=credentials.proxy or None
    )
    return kopf.AiohttpSession(server=credentials.server, aiohttp_session=made)


def _registry(credentials: Credentials, wake: Callable[[], None]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    logins = itertools.count()

    async def login(**_: Any) -> kopf.AiohttpSession:
        # kopf asks anew when it was answered 401.
        return await session(credentials, refused=next(logins) > 0)

    def woken(**_: Any) -> None:
        wake()

    kopf.on.login(registry=registry)(login)
    kopf.on.startup(registry=registry)(_configure)
    kopf.on.event(constants.DOMAIN, "protectionpolicies", registry=registry, when=_tells())(woken)
    for plural in constants.WHO_APPROVES:
        kopf.on.event(constants.DOMAIN, plural, registry=registry)(woken)
    return registry


def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    # It would list and follow all definitions whole.
    settings.scanning.disabled = True
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = _WATCH_RETRY_SECONDS
    settings.watching.server_timeout = 120
    settings.watching.client_timeout = 150
    settings.persistence.finalizer = f"{constants.DOMAIN}/unused"
    # It would kill the process; that is for the main thread to end.
    settings.process.ultimate_exiting_timeout = None


def _tells() -> Callable[..., bool]:
    """Whether an event of a policy tells something that was not told yet."""
    told: dict[str, tuple[Any, ...]] = {}

    def tells(uid: str | None, type: str | None, body: kopf.Body, **_: Any) -> bool:  # noqa: A002 - kopf's name
        # Not of the heartbeat that the operator itself writes: it would follow each pass by another.
        status = {key: value for key, value in body.get("status", {}).items() if key != "observedAt"}
        metadata = body["metadata"]
        seen = (type == "DELETED", metadata.get("generation"), metadata.get("labels"), status)
        if uid is None or told.get(uid) == seen:
            return uid is None
        told[uid] = seen
        if seen[0]:
            del told[uid]
        return True

    return tells


def _handler() -> logging.Handler:
    handler = log.Handler()
    handler.addFilter(lambda record: not record.getMessage().startswith("OS signals are ignored"))
    return handler
