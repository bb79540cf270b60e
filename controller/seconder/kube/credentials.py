"""Where the API server is and how to prove who we are."""

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_IN_CLUSTER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoCredentials(Exception):
    """No usable kubeconfig or in-cluster credentials; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach one API server.

    ``ca``, ``certificate`` and ``key`` are PEM; ``token`` is called for each request, since tokens are renewed on disk.
    """

    server: str
    ca: bytes
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    token: Callable[[], str] | None = None


def load(kubeconfig: str | None, context: str | None = None) -> Credentials:
    """Read the kubeconfig at this path, or in its absence the pod's own credentials.

    Raises NoCredentials.
    """
    if kubeconfig:
        return _from_kubeconfig(Path(kubeconfig), context)
    if _IN_CLUSTER.joinpath("token").exists():
        return _in_cluster()
    raise NoCredentials("no credentials: pass --kubeconfig FILE, or run in a pod with a ServiceAccount token")


def _in_cluster() -> Credentials:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not (host and port):
        raise NoCredentials("no credentials: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    host = f"[{host}]" if ":" in host else host
    token = _IN_CLUSTER / "token"
    return Credentials(f"https://{host}:{port}", (_IN_CLUSTER / "ca.crt").read_bytes(), token=_token_of(token))


def _token_of(path: Path) -> Callable[[], str]:
    return lambda: path.read_text().strip()


def _from_kubeconfig(path: Path, context: str | None) -> Credentials:
    import yaml

    try:
        config = yaml.safe_load(path.read_bytes())
        chosen = _named(config, "contexts", context or config.get("current-context", ""))["context"]
        cluster = _named(config, "clusters", chosen["cluster"])["cluster"]
        user = _named(config, "users", chosen["user"])["user"]
        if "exec" in user or "auth-provider" in user:
            return _from_plugin(path, context)
        return Credentials(
            server=cluster["server"].rstrip("/"),
            ca=_pem(cluster, "certificate-authority", path),
            certificate=_pem(user, "client-certificate", path),
            key=_pem(user, "client-key", path),
            token=_token(user, path),
        )
    except OSError as error:
        raise NoCredentials(f"cannot read kubeconfig {path}: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, AttributeError, TypeError, ValueError) as error:
        # A parser tells of its trouble in several lines.
        told = " ".join(f"{type(error).__name__} {error}".split())
        raise NoCredentials(f"kubeconfig {path} is not usable: {told}") from None


def _named(config: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    for each in config.get(kind) or ():
        if each.get("name") == name:
            found: Mapping[str, Any] = each
            return found
    raise ValueError(f"no {name!r} under {kind}")


def _pem(entry: Mapping[str, Any], field: str, kubeconfig: Path) -> bytes:
    if data := entry.get(f"{field}-data"):
        return base64.b64decode(data, validate=True)
    if file := entry.get(field):
        return kubeconfig.parent.joinpath(str(file)).read_bytes()
    return b""


def _token(user: Mapping[str, Any], kubeconfig: Path) -> Callable[[], str] | None:
    if file := user.get("tokenFile"):
        return _token_of(kubeconfig.parent / file)
    if token := user.get("token"):
        return lambda: str(token)
    return None


def _from_plugin(path: Path, context: str | None) -> Credentials:
    """Let the official client run credential plugins (KEP-541). It is large, and imported for these alone."""
    from kubernetes import client, config

    loaded = client.Configuration()
    try:
        config.load_kube_config(str(path), context=context, client_configuration=loaded)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise NoCredentials(f"kubeconfig {path} is not usable: {error}") from None

    def token() -> str:
        # Asking for it renews it where the plugin's credential has expired.
        header: str = loaded.get_api_key_with_prefix("BearerToken") or ""
        return header.removeprefix("Bearer ")

    return Credentials(
        server=loaded.host,
        ca=_file(loaded.ssl_ca_cert),
        certificate=_file(loaded.cert_file),
        key=_file(loaded.key_file),
        token=token if token() else None,
    )


def _file(path: str | None) -> bytes:
    return Path(path).read_bytes() if path else b""
