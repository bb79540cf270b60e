"""Kubeconfig files: clusters, users and contexts, in one file or in several."""

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from seconder.client.credentials import Credentials, NoCredentials, token_of

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(paths: Sequence[Path], context: str | None) -> Credentials:
    """Read these files as kubectl merges them. Raises NoCredentials."""
    path = paths[0]
    try:
        files = [(path := each, _read(each)) for each in paths]
        current = next((config["current-context"] for _, config in files if config.get("current-context")), "")
        _, chosen = _named(files, "contexts", context or current)
        cluster_file, cluster = _named(files, "clusters", chosen["cluster"])
        user_file, user = _named(files, "users", chosen["user"])
        namespace = chosen.get("namespace") or "default"
        if "exec" in user or "auth-provider" in user:
            return _from_plugin(paths, context, namespace)
        return Credentials(
            server=cluster["server"].rstrip("/"),
            ca=_pem(cluster, "certificate-authority", cluster_file),
            certificate=_pem(user, "client-certificate", user_file),
            key=_pem(user, "client-key", user_file),
            token=_token(user, user_file),
            namespace=namespace,
        )
    except OSError as error:
        raise NoCredentials(f"cannot read kubeconfig {path}: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, AttributeError, TypeError, ValueError) as error:
        # A parser tells of its trouble in several lines.
        told = " ".join(f"{type(error).__name__} {error}".split())
        raise NoCredentials(f"kubeconfig {path} is not usable: {told}") from None


def _read(path: Path) -> Mapping[str, Any]:
    config = yaml.load(path.read_bytes(), _LOADER)  # noqa: S506 - a safe loader, in C where there is one
    if not isinstance(config, dict):
        raise TypeError("it is not a mapping")
    return config


def _named(files: Sequence[tuple[Path, Mapping[str, Any]]], kind: str, name: str) -> tuple[Path, Mapping[str, Any]]:
    """Find an entry; as kubectl merges files, the first to define a name wins. Relative paths are its file's."""
    for path, config in files:
        for each in config.get(kind) or ():
            if each.get("name") == name:
                found: Mapping[str, Any] = each[kind.removesuffix("s")]
                return path, found
    raise ValueError(f"no {name!r} under {kind}")


def _pem(entry: Mapping[str, Any], field: str, kubeconfig: Path) -> bytes:
    if data := entry.get(f"{field}-data"):
        return base64.b64decode(data, validate=True)
    if file := entry.get(field):
        return kubeconfig.parent.joinpath(str(file)).read_bytes()
    return b""


def _token(user: Mapping[str, Any], kubeconfig: Path) -> Callable[[], str] | None:
    if file := user.get("tokenFile"):
        return token_of(kubeconfig.parent / file)
    if token := user.get("token"):
        return lambda: str(token)
    return None


def _from_plugin(paths: Sequence[Path], context: str | None, namespace: str) -> Credentials:
    """Let the official client run credential plugins (KEP-541). It is large, and imported for these alone."""
    from kubernetes import client, config

    loaded = client.Configuration()
    try:
        config.load_kube_config(os.pathsep.join(map(str, paths)), context=context, client_configuration=loaded)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise NoCredentials(f"kubeconfig {paths[0]} is not usable: {error}") from None

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
        namespace=namespace,
    )


def _file(path: str | None) -> bytes:
    return Path(path).read_bytes() if path else b""
