"""Puts the webhook together: what it mirrors, what it answers, and what it serves with."""

import base64
import contextlib
import resource
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry

from seconder.admission.policy_index import Installation
from seconder.client.api import Api, ApiError
from seconder.client.cache import Cache
from seconder.client.credentials import Credentials
from seconder.client.dependents import DependentsIndex
from seconder.client.grants import Grants
from seconder.client.resolver import Resolver
from seconder.client.rights import Rights
from seconder.client.watch import Watch
from seconder.http.address import bind
from seconder.http.handler import Handler
from seconder.http.limits import Limits
from seconder.http.listener import Listener
from seconder.http.protocol import Shared
from seconder.http.server import Drain, Pulse, serve
from seconder.http.tls import ServingCertificate
from seconder.observability import log
from seconder.observability.metrics import AuthorizerMetrics, ReviewMetrics, registry
from seconder.observability.ops import Ops
from seconder.webhook.authorizer import Authorizer
from seconder.webhook.recorder import Bounds, Recorder
from seconder.webhook.reviewer import Reviewer

_USER_AGENT: Final = "seconder-webhook"

_SLOW_SECONDS: Final = 3.0
"""An event loop that has not turned for so long gets no more reviews: it answers none in useful time."""

_STUCK_SECONDS: Final = 15.0
"""One that has not turned for so long is not busy, but hangs, and only a new process helps."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the webhook was started. Addresses are (host, port)."""

    namespace: str
    serving_secret: str
    review_address: tuple[str, int]
    ops_address: tuple[str, int]
    installation: Installation
    cluster_id: str
    drain_delay: float
    drain_timeout: float
    namespace_label: bool
    bounds: Bounds
    """Of what is recorded."""
    client_ca: str = ""
    """PEM of the CA by whose certificates API servers prove themselves; empty: they need not."""


class _Serving:
    """Feeds the serving certificate from its Secret."""

    def __init__(self, api: Api, options: Options, metrics: ReviewMetrics) -> None:
        self.certificate = ServingCertificate(options.client_ca)
        self._metrics = metrics
        self._secret = options.serving_secret
        self.watch = Watch(
            api,
            f"/api/v1/namespaces/{options.namespace}/secrets",
            _pair,
            self._take,
            _failed,
            field_selector=f"metadata.name={options.serving_secret}",
        )

    def unmet(self, serving: bool) -> list[str]:
        """What keeps reviews from being served; ``serving``: nothing does."""
        if self.certificate.context is None:
            return [f"no serving certificate in Secret {self._secret}"]
        return [] if serving else ["reviews are not served"]

    def _take(self, found: Mapping[str, tuple[bytes, bytes]]) -> None:
        for certificate, key in found.values():
            try:
                self.certificate.reload(certificate, key)
            except ValueError as error:
                log.trouble("the serving certificate was not taken; the one before stays in use", error)
                return
            if self.certificate.not_after is not None:
                self._metrics.certificate_expiry.set(self.certificate.not_after.timestamp())
            log.info(
                "the serving certificate was loaded", secret=self._secret, not_after=str(self.certificate.not_after)
            )


_DEEPEST: Final = 20_000
"""The API server reads JSON of up to 10,000 levels (sigs.k8s.io/json). Python's own limit of 1,000 would refuse
people's objects."""

_LEVEL_BYTES: Final = 400
"""Of a stack, for one level: the parser takes some 220, and what compares two objects more."""

_STACK_BYTES: Final = 16 * 1024 * 1024
"""Of each thread, for twice as many levels. It is address space, of which what is never used costs nothing."""


_TURN_SECONDS: Final = 0.0005
"""After which a thread that computes gives the interpreter to one that waits. Records are written, and look-ups read,
beside reviews: by Python's own 5 ms, a hundred reviews would wait for each."""


def prepare_interpreter() -> None:
    """Set what holds for the whole process. Called before it has a second thread.

    Past the end of a stack the process ends by SIGSEGV, and whoever sends reviews would see to that. How long they are
    is for the node's container runtime to say: glibc's threads have 2 MiB where it says that there is no limit.
    """
    threading.stack_size(_STACK_BYTES)
    # Each level of a review's JSON takes one: the parser counts by it.
    sys.setrecursionlimit(min(_DEEPEST, _main_stack() // _LEVEL_BYTES))
    sys.setswitchinterval(_TURN_SECONDS)


def _main_stack() -> int:
    """How many bytes the main thread's stack may grow to, given as many as others where that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft == resource.RLIM_INFINITY:
        return _STACK_BYTES
    if soft < _STACK_BYTES:
        more = _STACK_BYTES if hard == resource.RLIM_INFINITY else min(_STACK_BYTES, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_STACK, (more, hard))
            soft = more
    return min(soft, _STACK_BYTES)


def _pair(secret: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
    data = secret.get("data") or {}
    try:
        return base64.b64decode(data["tls.crt"], validate=True), base64.b64decode(data["tls.key"], validate=True)
    except (KeyError, ValueError):
        return None


def _failed(what: str, error: Exception) -> None:
    if isinstance(error, ApiError):
        log.trouble("a watch was interrupted", error, watch=what)
    else:
        log.failure("a watch was interrupted", error, watch=what)


def _trouble(what: str, error: Exception) -> None:
    log.trouble(what, error)


def _unproven(cache: Cache, options: Options, metrics: ReviewMetrics) -> Handler:
    """Answers who is no authenticated API server and asks as its authorizer: counted as that, and as nothing else."""
    silent = Authorizer(cache, options.installation.namespace, AuthorizerMetrics(CollectorRegistry()), heard=False)

    async def answer(body: bytes) -> bytes:
        metrics.unproven("NotAuthenticated")
        return await silent.answer(body)

    return answer


# Longer than 50 lines: it puts all parts together, in the order in which they start.
async def run(credentials: Credentials, options: Options) -> bool:
    """Serve until told to stop. True when every review that had begun was answered.

    Raises OSError when an address is not to be had.
    """
    prepare_interpreter()
    api = Api(credentials, user_agent=_USER_AGENT, connections=24)
    registry_ = registry()
    metrics = ReviewMetrics(registry_, namespaces=options.namespace_label)
    index = DependentsIndex(api, _failed, namespace=options.installation.namespace)
    cache = Cache(api, options.installation, _failed, cluster_id=options.cluster_id, on_policies=index.follow)
    metrics.view_age.set_function(cache.age)
    served = _Serving(api, options, metrics)
    grants = Grants(api, lambda namespace: rights.changed(namespace), _failed)
    rights = Rights(followed=grants.fresh)
    agents, others, notes = (Resolver(api, index, cache.fresh, _trouble, rights=rights) for _ in range(3))
    recorder = Recorder(
        api, cache, notes, _failed, bounds=options.bounds, unseen=lambda: metrics.unproven("NotAsStored")
    )
    reviewer = Reviewer(cache, (agents, others), recorder, metrics)
    authorizer = Authorizer(cache, options.installation.namespace, AuthorizerMetrics(registry_))
    serving_now = threading.Event()
    pulse = Pulse()

    def unmet() -> list[str]:
        unloaded = cache.unmet() or index.unmet()
        return [*unloaded, *served.unmet(serving_now.is_set()), *pulse.standing(_SLOW_SECONDS)]

    reviews, probed = bind(*options.review_address), bind(*options.ops_address)
    cache.start()
    index.follow_guard()
    recorder.start()
    served.watch.start()
    grants.start()
    ops = Ops(probed, unmet, registry_, lambda: pulse.standing(_STUCK_SECONDS))
    ops.start()
    routes: dict[str, Handler] = {
        "/validate": reviewer.enforce,
        "/validate/audit": reviewer.audit,
        "/authorize": authorizer.answer,
    }
    strangers: dict[Handler, Handler] = {}
    if options.client_ca:
        # Threads and look-ups of their own: nobody waits behind what they ask.
        unheard = Resolver(api, index, cache.fresh, lambda _what, _error: None, at_once=2)
        unproven = Reviewer(cache, (unheard, unheard), recorder, metrics, proven=False)
        asked = _unproven(cache, options, metrics)
        strangers = {reviewer.enforce: unproven.enforce, reviewer.audit: unproven.audit, authorizer.answer: asked}
    shared = Shared(routes, lambda error: log.failure("a review failed", error), Limits(), strangers)
    log.info("starting", namespace=options.namespace)
    try:
        return await serve(
            Listener(reviews, shared, served.certificate),
            lambda ready: serving_now.set() if ready else serving_now.clear(),
            Drain(options.drain_delay, options.drain_timeout),
            pulse,
        )
    finally:
        cache.stop()
        index.stop()
        recorder.stop()
        served.watch.stop()
        grants.stop()
        ops.stop()
        log.info("stopped")
