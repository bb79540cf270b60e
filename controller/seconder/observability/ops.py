"""The port for probes and Prometheus: /healthz, /readyz and /metrics over plain HTTP."""

import asyncio
from collections.abc import Callable, Sequence

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Unmet = Callable[[], Sequence[str]]
"""Gives one line for each condition that keeps this process from being ready; none when it is."""


def ops_app(unmet: Unmet, registry: CollectorRegistry) -> FastAPI:
    """Make the application. ``unmet`` is asked on each /readyz, ``registry`` is rendered on each /metrics."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    one_at_a_time = asyncio.Lock()

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok")

    @app.get("/readyz")
    async def readyz() -> Response:
        reasons = unmet()
        if reasons:
            return PlainTextResponse("".join(f"{reason}\n" for reason in reasons), status_code=503)
        return PlainTextResponse("ok")

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # In a thread, so that reviews do not wait while many series are rendered.
        async with one_at_a_time:
            rendered = await asyncio.to_thread(encode, registry)
        return Response(rendered, headers={"content-type": content_type})

    return app
