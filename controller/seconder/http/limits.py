"""What one client may take of the server: connections, time, header and body bytes."""

from dataclasses import dataclass
from typing import Final

MAX_BODY_BYTES: Final = (6 * 3 + 6 * 3 // 2 + 1) * 1024 * 1024
"""28 MiB. The API server takes requests of up to 3 MiB (``MaxRequestBodyBytes`` in k8s.io/apiserver), and etcd objects
of 1.5. A review carries both, in JSON in which the API server writes ``<``, ``>`` and ``&`` in six bytes each. 1 MiB is
room for the caller, the options and the envelope."""

SMALL_BODY_BYTES: Final = 64 * 1024
"""A body up to this size does not have to share memory with larger ones, nor with any that is being looked at."""

FRAMING_BYTES: Final = 64 * 1024
"""Bytes of a request for chunk sizes and trailers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one listener. Times are in seconds, sizes in bytes.

    ``connections`` counts those in their TLS handshake too, and those whose client is gone while its request is still
    being answered. ``small_bodies`` bounds what bodies of up to ``SMALL_BODY_BYTES`` hold together that wait for their
    rest, ``large_bodies`` what larger ones do that wait for their rest or their answer: beyond it the oldest that waits
    for its rest is given up. ``request_seconds`` runs from a request's first byte to its last, ``response_seconds``
    from there to the answer: the API server gives up after 30. ``idle_seconds`` must be longer than the 90 for which
    the API server keeps an idle connection, or it sends a request into a connection that is being closed and the review
    fails. ``closing_seconds`` is how long a client may take to notice a close.
    """

    connections: int = 1000
    header_count: int = 64
    header_bytes: int = 16 * 1024
    target_bytes: int = 2048
    body_bytes: int = MAX_BODY_BYTES
    small_bodies: int = 32 * 1024 * 1024
    large_bodies: int = 64 * 1024 * 1024
    handshake_seconds: float = 10
    request_seconds: float = 10
    response_seconds: float = 60
    idle_seconds: int = 120
    closing_seconds: float = 5
