"""Requests to the API server without kubectl, a steady stream of them, and reviews posted straight to the webhook."""

import base64
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import urllib3

from localstack.controlplane import ControlPlane
from seconder.client import client_config

_SECONDS: Final = 60


def connect(kubeconfig: Path, connections: int) -> tuple[urllib3.PoolManager, str, dict[str, str]]:
    """Give kept connections to the API server as this user, its URL, and the headers that say who asks."""
    found = client_config.load(str(kubeconfig))
    headers = {"Authorization": f"Bearer {found.token()}"} if found.token else {}
    context = ssl.create_default_context(cadata=found.ca.decode())
    if found.certificate:
        pair = kubeconfig.with_suffix(".pem")
        pair.write_bytes(found.certificate + found.key)
        context.load_cert_chain(pair)
    return urllib3.PoolManager(ssl_context=context, maxsize=connections, retries=False), found.server, headers


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    code: int
    document: Mapping[str, Any]

    @property
    def message(self) -> str:
        """The words of a failure."""
        return str(self.document.get("message", ""))


Call = Callable[..., Answer]
"""Takes a method, a path and a document to send."""


def client(kubeconfig: Path, connections: int) -> Call:
    """Give a client that keeps its connections. A PATCH is a merge patch."""
    pool, server, headers = connect(kubeconfig, connections)

    def call(method: str, path: str, document: object = None) -> Answer:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = pool.request(
            method,
            f"{server}{path}",
            body=json.dumps(document or {}),
            headers=headers | {"Content-Type": kind},
            timeout=_SECONDS,
        )
        return Answer(answer.status, answer.json())

    return call


class Stream:
    """Repeats one dry-run DELETE from its own threads, over kept connections, until left; counts the outcomes.

    An outcome is ``CODE reason``, with the reason from ``status.details.causes`` or the message.
    """

    def __init__(self, kubeconfig: Path, path: str, *, threads: int = 2) -> None:
        self._pool, server, self._headers = connect(kubeconfig, threads)
        self._url = f"{server}{path}?dryRun=All"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        self.outcomes: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Start."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        """Stop."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._pool.clear()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.outcomes[self._once()] += 1

    def _once(self) -> str:
        answer = self._pool.request("DELETE", self._url, headers=self._headers, timeout=15)
        if answer.status == 200:
            return "200"
        status = answer.json()
        causes = (status.get("details") or {}).get("causes") or [{}]
        return f"{answer.status} {causes[0].get('reason') or status.get('message')}"


def api_servers_pair(plane: ControlPlane, folder: Path) -> Path:
    """The certificate and key by which the API server proves itself to webhooks, as a file in ``folder``."""
    user = json.loads((plane.folder / "webhooks.kubeconfig").read_text())["users"][0]["user"]
    pair = folder / "pair.pem"
    pair.touch(mode=0o600)
    pair.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("key", "certificate")))
    return pair


def post_review(
    address: str,
    secret: dict[str, Any],
    review: dict[str, Any],
    path: str = "/validate",
    seconds: float = 10,
    pair: Path | None = None,
) -> dict[str, Any]:
    """Post an AdmissionReview to the webhook as the API server would; give the response, which takes ``seconds``.

    Without its ``pair`` it is answered, and neither counted nor recorded.
    """
    authority = base64.b64decode(secret["data"]["ca.crt"]).decode()
    context = ssl.create_default_context(cadata=authority)
    if pair is not None:
        context.load_cert_chain(pair)
    with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
        body = json.dumps(review).encode()
        headers = {"Content-Type": "application/json"}
        answer = pool.request("POST", f"https://{address}{path}", body=body, headers=headers, timeout=seconds)
        assert answer.status == 200, answer.data
        response: dict[str, Any] = answer.json()["response"]
        return response


def delete_review(
    target: dict[str, Any], user: str, resource: tuple[str, str] = ("apps", "deployments")
) -> dict[str, Any]:
    """Give the review of a DELETE of this object."""
    group, plural = resource
    metadata = target["metadata"]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "0df28fbd-5f5f-11e8-bc74-36e6bb280816",
            "kind": {"group": group, "version": "v1", "kind": target["kind"]},
            "resource": {"group": group, "version": "v1", "resource": plural},
            "name": metadata["name"],
            "namespace": metadata.get("namespace", metadata["name"]),
            "operation": "DELETE",
            "userInfo": {"username": user, "groups": ["system:authenticated"]},
            "object": None,
            "oldObject": target,
            "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions"},
        },
    }
