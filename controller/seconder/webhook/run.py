"""Puts the webhook together: what it mirrors, what it answers, and what it serves with."""

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI

from seconder.admission.policy_index import Guarded
from seconder.client.api import Api, ApiError
from seconder.client.cache import Snapshot
from seconder.client.credentials import Credentials
from seconder.client.existence import Existence
from seconder.client.kinds import Kinds
from seconder.client.lookup import Finder
from seconder.client.owners import Owners
from seconder.client.rights import Rights
from seconder.client.watch import Watch
from seconder.observability import log
from seconder.observability.listening import bind
from seconder.observability.metrics import AuthorizerMetrics, ReviewMetrics, registry
from seconder.observability.ops import ops_app
from seconder.webhook import serving
from seconder.webhook.authorizer import Authorizer
from seconder.webhook.front import Front
from seconder.webhook.recorder import Recorder
from seconder.webhook.reviewer import Reviewer
from seconder.webhook.tls import ServingCertificate

_USER_AGENT: Final = "seconder-webhook"


@dataclass(frozen=True, slots=True)
class Options:
    """How the webhook was started. Addresses are (host, port)."""

    namespace: str
    serving_secret: str
    review_address: tuple[str, int]
    ops_address: tuple[str, int]
    own: Guarded
    cluster_id: str
    drain_delay: float
    drain_timeout: float
    namespace_label: bool


class _Serving:
    """Feeds the serving certificate from its Secret."""

    def __init__(self, api: Api, options: Options, metrics: ReviewMetrics) -> None:
        self.certificate = ServingCertificate()
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


async def run(credentials: Credentials, options: Options) -> bool:
    """Serve until told to stop. True when every review that had begun was answered.

    Raises OSError when an address is not to be had.
    """
    api = Api(credentials, user_agent=_USER_AGENT, connections=16)
    registry_ = registry()
    metrics = ReviewMetrics(registry_, namespaces=options.namespace_label)
    owners = Owners(api, _failed)
    snapshot = Snapshot(api, options.own, _failed, cluster_id=options.cluster_id, on_policies=owners.follow)
    metrics.view_age.set_function(snapshot.age)
    served = _Serving(api, options, metrics)
    recorder = Recorder(api, snapshot, _failed)
    reviewer = Reviewer(snapshot, Finder(api), Rights(api), Existence(api), owners, Kinds(api), recorder, metrics)
    serving_now = threading.Event()

    def unmet() -> list[str]:
        waiting = snapshot.unmet() or owners.unmet()
        if served.certificate.context is None:
            waiting.append(f"no serving certificate in Secret {options.serving_secret}")
        elif not serving_now.is_set():
            waiting.append("reviews are not served")
        return waiting

    reviews = bind(*options.review_address)
    ops = bind(*options.ops_address)
    snapshot.start()
    recorder.start()
    served.watch.start()
    front = Front(
        {
            "/validate": reviewer.enforce,
            "/validate/audit": reviewer.audit,
            "/authorize": Authorizer(snapshot, options.own.namespace, AuthorizerMetrics(registry_)).answer,
        },
        FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False),
        lambda error: log.failure("a review failed", error),
    )
    log.info("starting", namespace=options.namespace)
    try:
        return await serving.serve(
            front,
            served.certificate,
            reviews,
            ops_app(unmet, registry_),
            ops,
            lambda ready: serving_now.set() if ready else serving_now.clear(),
            options.drain_delay,
            options.drain_timeout,
        )
    finally:
        snapshot.stop()
        owners.stop()
        recorder.stop()
        served.watch.stop()
        log.info("stopped")
