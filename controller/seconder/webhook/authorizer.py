"""Answers the API server's authorizer, where a control plane's owner has set it up to ask."""

from typing import Final

from seconder.admission import authorizer, authorizer_codec
from seconder.admission.authorizer import Access
from seconder.api.policy import DEFAULT_TAGS
from seconder.api.text import clean
from seconder.client.cache import Cache
from seconder.http.handler import BadReview
from seconder.observability import log
from seconder.observability.metrics import AuthorizerMetrics

_MOST_BYTES: Final = 256 * 1024
"""It holds a caller and some ten words. Whatever is read of it is read while all others wait, whoever sent it."""


class Authorizer:
    """Says "denied" or "no opinion", never "allowed".

    So whoever else reaches the endpoint gains nothing by asking, and clients need no certificate. ``own_namespace``:
    where Seconder is installed. ``heard``: what is refused is logged.
    """

    def __init__(self, cache: Cache, own_namespace: str, metrics: AuthorizerMetrics, *, heard: bool = True) -> None:
        self._heard = heard
        self._cache = cache
        self._own_namespace = own_namespace
        self._metrics = metrics

    async def answer(self, body: bytes) -> bytes:
        """Answer one SubjectAccessReview. Raises BadReview, on which the API server acts by its ``failurePolicy``."""
        if len(body) > _MOST_BYTES:
            self._metrics.malformed.inc()
            raise BadReview(f"a SubjectAccessReview of more than {_MOST_BYTES >> 10} KiB")
        try:
            access = authorizer_codec.decode(body)
        except authorizer_codec.Malformed as bad:
            self._metrics.malformed.inc()
            raise BadReview(bad.detail) from None
        state = self._cache.state
        # Without policies the defaults still hold. The rest is let through to RBAC: our own first list is among it.
        known = state.policies.known_tags if state else DEFAULT_TAGS
        reason = authorizer.denial(access, known, self._own_namespace) if access else ""
        if not (access and reason):
            self._metrics.passed.inc()
            return authorizer_codec.no_opinion()
        self._metrics.denied.inc()
        if self._heard:
            _log(access, reason)
        return authorizer_codec.denied(reason)


def _log(access: Access, reason: str) -> None:
    log.info(
        "access refused",
        reason=reason,
        user=clean(access.caller.username),
        verb=clean(access.verb),
        resource=clean(str(access.resource)),
        subresource=clean(access.subresource),
        namespace=clean(access.namespace),
        name=clean(access.name),
    )
