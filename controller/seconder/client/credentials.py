"""Where the API server is and how to prove who we are."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_IN_CLUSTER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoCredentials(Exception):
    """No usable kubeconfig or in-cluster credentials; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach one API server.

    ``ca``, ``certificate`` and ``key`` are PEM; ``token`` is called for each request, since tokens are renewed on disk.
    ``namespace`` is the kubeconfig context's own.
    """

    server: str
    ca: bytes
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    token: Callable[[], str] | None = None
    namespace: str = "default"


def load(kubeconfig: str | None, context: str | None = None) -> Credentials:
    """Read the kubeconfig at this path, or in its absence the pod's own credentials.

    Raises NoCredentials.
    """
    if kubeconfig:
        from seconder.client import kubeconfig as files

        return files.read([Path(kubeconfig)], context)
    if _IN_CLUSTER.joinpath("token").exists():
        return _in_cluster()
    raise NoCredentials("no credentials: pass --kubeconfig FILE, or run in a pod with a ServiceAccount token")


def load_for_person(kubeconfig: str | None, context: str | None = None) -> Credentials:
    """Read what kubectl would: this file, else those of ``KUBECONFIG``, else ``~/.kube/config``, else the pod's own.

    Raises NoCredentials.
    """
    from seconder.client import kubeconfig as files

    if kubeconfig:
        return files.read([Path(kubeconfig)], context)
    listed = [Path(each) for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    paths = [path for path in listed or [Path.home() / ".kube" / "config"] if path.exists()]
    if paths:
        return files.read(paths, context)
    if _IN_CLUSTER.joinpath("token").exists():
        return _in_cluster()
    raise NoCredentials("no kubeconfig: pass --kubeconfig FILE, or set KUBECONFIG")


def _in_cluster() -> Credentials:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not (host and port):
        raise NoCredentials("no credentials: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    host = f"[{host}]" if ":" in host else host
    token = _IN_CLUSTER / "token"
    return Credentials(f"https://{host}:{port}", (_IN_CLUSTER / "ca.crt").read_bytes(), token=token_of(token))


def token_of(path: Path) -> Callable[[], str]:
    """Give what reads a token anew each time."""
    return lambda: path.read_text().strip()
