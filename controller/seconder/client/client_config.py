"""Which API server, and as whom: what kubectl makes of kubeconfigs, the command line, and the pod that it runs in.

Source: k8s.io/client-go/tools/clientcmd (``client_config.go``, ``validation.go``) and rest (``config.go``). Where
kubectl would ask for a user name, or turn to localhost:8080 because nothing names a server, this raises NoCredentials.
"""

import base64
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec.structs import replace

from seconder.api.type_reader import TypeReader
from seconder.client import kubeconfig as kubeconfig_files
from seconder.client import proxies
from seconder.client.credentials import Credentials, Impersonation, NoCredentials, token_of
from seconder.client.exec_plugin import ExecPlugin, Status
from seconder.client.kubeconfig import Cluster, Context, Kubeconfig, User

_POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_EXEC_EXTENSION: Final = "client.authentication.k8s.io/exec"
_PROXY_SCHEMES: Final = frozenset({"http", "https", "socks5"})


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a command line says, each field like kubectl's flag of that name; ``timeout`` is in seconds."""

    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    proxy_url: str = ""
    client_certificate: str = ""
    client_key: str = ""
    token: str = field(default="", repr=False)
    as_user: str = ""
    as_uid: str = ""
    as_groups: Sequence[str] = ()
    as_user_extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    timeout: float | None = None


_cluster: Final = TypeReader(Cluster)


def chosen(paths: Sequence[Path], overrides: Overrides, *, explicit: bool = True) -> Credentials:
    """What these files, the command line, and in the absence of both the pod say. Raises NoCredentials.

    ``explicit``: a file that is not there is an error.
    """
    merged = kubeconfig_files.read(paths, explicit=explicit)
    context = _context(merged, overrides)
    cluster_name, user_name = overrides.cluster or context.cluster, overrides.user or context.user
    cluster = merged.clusters.get(cluster_name)
    user = merged.users.get(user_name)
    if overrides.cluster and cluster is None:
        raise NoCredentials(f"{merged} has no cluster {cluster_name!r}{_one_of('--cluster', merged.clusters)}")
    if overrides.user and user is None:
        raise NoCredentials(f"{merged} has no user {user_name!r}{_one_of('--user', merged.users)}")
    if cluster is None and not overrides.server:
        if not (cluster_name or user_name) and in_pod(os.environ):
            return of_pod(overrides)
        if cluster_name or not os.environ.get("KUBERNETES_MASTER"):
            _no_server(paths, merged, cluster_name)
    return _credentials(
        _Place(
            f"{merged}, cluster {cluster_name!r}" if cluster else "the command line",
            f"{merged}, user {user_name!r}" if user_name else "the command line",
        ),
        _overridden_cluster(cluster.value if cluster else Cluster(), overrides),
        _overridden_user(user.value if user else User(), overrides),
        namespace=overrides.namespace or context.namespace or _default_namespace(os.environ),
        timeout=overrides.timeout,
    )


def in_pod(environment: Mapping[str, str]) -> bool:
    """Whether this runs in a pod with a ServiceAccount's token."""
    service = environment.get("KUBERNETES_SERVICE_HOST") and environment.get("KUBERNETES_SERVICE_PORT")
    return bool(service) and _POD.joinpath("token").is_file()


def of_pod(overrides: Overrides) -> Credentials:
    """The pod's own credentials, with what a command line says. Raises NoCredentials."""
    if overrides.client_certificate or overrides.client_key:
        raise NoCredentials(
            "--client-certificate needs a kubeconfig or --server: here the pod's token would be sent too"
        )
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    cluster = Cluster(server=f"https://{host}:{port}", certificate_authority=str(_POD / "ca.crt"))
    user = User() if overrides.token else User(token_file=str(_POD / "token"))
    return _credentials(
        _Place("the pod's cluster", "the pod's ServiceAccount"),
        _overridden_cluster(cluster, overrides),
        _overridden_user(user, overrides),
        namespace=overrides.namespace or _default_namespace(os.environ),
        timeout=overrides.timeout,
    )


def told(cluster: Mapping[str, Any], status: Status) -> Credentials:
    """How to reach the cluster that a credential plugin is told, with a credential of its own.

    Source: ``rest.ExecClusterToConfig``. Raises NoCredentials.
    """
    place = _Place("the cluster that kubectl tells", "its user")
    try:
        entry = _cluster.convert(cluster)
    except msgspec.ValidationError as error:
        raise NoCredentials(f"{place.cluster} is not usable: {error}") from None
    reached = _reached(place, entry, _authority(place.cluster, entry))
    token = status.get("token", "")
    return dataclasses.replace(
        reached,
        certificate=status.get("clientCertificateData", "").encode(),
        key=status.get("clientKeyData", "").encode(),
        token=(lambda: token) if token else None,
    )


def check_user(user: User, origin: str) -> None:
    """Raise NoCredentials for what contradicts itself in a user's entry; ``origin`` names it."""
    certificate = user.client_certificate or user.client_certificate_data
    if user.client_certificate and user.client_certificate_data:
        _refuse(origin, "both client-certificate and client-certificate-data: leave one of them out")
    if certificate and user.client_key and user.client_key_data:
        _refuse(origin, "both client-key and client-key-data: leave one of them out")
    if certificate and not (user.client_key or user.client_key_data):
        _refuse(origin, "a client certificate, but no client-key or client-key-data")
    if (user.username or user.password) and (user.token or (user.username and user.token_file)):
        _refuse(origin, "both a token and a user name with a password: leave one of them out")
    if (user.as_uid or user.as_groups or user.as_user_extra) and not user.as_user:
        _refuse(origin, "as-uid, as-groups or as-user-extra, which need a user to impersonate: add as (--as)")
    if user.exec_plugin is not None and user.auth_provider is not None:
        _refuse(origin, "both exec and auth-provider: leave one of them out")
    if user.exec_plugin is not None and (problem := user.exec_plugin.problem()):
        raise NoCredentials(f"{origin}: {problem}")


@dataclass(frozen=True, slots=True)
class _Place:
    """What a cluster and a user are called in messages."""

    cluster: str
    user: str


def _refuse(origin: str, what: str) -> NoReturn:
    raise NoCredentials(f"{origin} uses {what}")


def _one_of(flag: str, names: Mapping[str, object]) -> str:
    listed = sorted(names)
    shown = ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
    return f": {flag} is one of {shown}" if listed else ""


def _context(merged: Kubeconfig, overrides: Overrides) -> Context:
    name = overrides.context or merged.current_context
    if not name:
        return Context()
    if (placed := merged.contexts.get(name)) is None:
        raise NoCredentials(
            f"{merged} is not usable: no {name!r} under contexts{_one_of('--context', merged.contexts)}"
        )
    return placed.value


def _no_server(paths: Sequence[Path], merged: Kubeconfig, cluster: str) -> NoReturn:
    if cluster:
        raise NoCredentials(f"{merged} is not usable: no {cluster!r} under clusters, which its context names")
    if merged.contexts:
        raise NoCredentials(f"{merged} has no current context{_one_of('--context', merged.contexts)}")
    if merged.files:
        raise NoCredentials(f"{merged} is not usable: it names no cluster; pass --kubeconfig FILE or --server URL")
    if os.environ.get("KUBECONFIG"):
        listed = ", ".join(map(str, paths))
        raise NoCredentials(f"no kubeconfig: KUBECONFIG names {listed}, of which none is there")
    raise NoCredentials("no kubeconfig: pass --kubeconfig FILE, or set KUBECONFIG")


def _default_namespace(environment: Mapping[str, str]) -> str:
    if not in_pod(environment):
        return "default"
    if name := environment.get("POD_NAMESPACE"):
        return name
    try:
        return _POD.joinpath("namespace").read_text().strip() or "default"
    except OSError:
        return "default"


def _overridden_cluster(cluster: Cluster, overrides: Overrides) -> Cluster:
    server = overrides.server or cluster.server or os.environ.get("KUBERNETES_MASTER", "")
    cluster = replace(cluster, server=server, proxy_url=overrides.proxy_url or cluster.proxy_url)
    if overrides.server or overrides.tls_server_name:
        # Another server has another name.
        cluster = replace(cluster, tls_server_name=overrides.tls_server_name)
    if overrides.insecure_skip_tls_verify or overrides.certificate_authority:
        cluster = replace(
            cluster,
            insecure_skip_tls_verify=overrides.insecure_skip_tls_verify,
            certificate_authority=overrides.certificate_authority,
            certificate_authority_data="",
        )
    return cluster


def _overridden_user(user: User, overrides: Overrides) -> User:
    user = replace(
        user,
        # A token file goes on to count before any token, as it does for kubectl.
        token=overrides.token or user.token,
        as_user=overrides.as_user or user.as_user,
        as_uid=overrides.as_uid or user.as_uid,
        as_groups=list(overrides.as_groups) or user.as_groups,
        as_user_extra=user.as_user_extra | {key: list(values) for key, values in overrides.as_user_extra.items()},
    )
    if overrides.client_certificate:
        user = replace(user, client_certificate=overrides.client_certificate, client_certificate_data="")
    if overrides.client_key:
        user = replace(user, client_key=overrides.client_key, client_key_data="")
    return user


def _credentials(place: _Place, cluster: Cluster, user: User, *, namespace: str, timeout: float | None) -> Credentials:
    check_user(user, place.user)
    authority = _authority(place.cluster, cluster)
    reached = dataclasses.replace(
        _reached(place, cluster, authority),
        namespace=namespace,
        impersonation=_impersonation(user),
        timeout=timeout,
    )
    # kubectl keeps what proves who asks from everybody who can listen: it is sent over TLS alone.
    return reached if reached.server.startswith("http:") else _with_identity(reached, place, cluster, user, authority)


def _reached(place: _Place, cluster: Cluster, authority: bytes) -> Credentials:
    """How the server is reached, as nobody yet."""
    url = _server(place.cluster, cluster)
    if cluster.proxy_url:
        proxies.check(f"proxy-url of {place.cluster}", cluster.proxy_url, _PROXY_SCHEMES)
    if url.scheme == "https" and cluster.insecure_skip_tls_verify and authority:
        _refuse(place.cluster, "both insecure-skip-tls-verify and a certificate authority: leave one of them out")
    server = url._replace(path=url.path.rstrip("/"), query="", fragment="").geturl()
    return Credentials(
        server=server,
        ca=authority,
        insecure=cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name,
        proxy=cluster.proxy_url or proxies.from_environment(server, os.environ),
        proxy_url=cluster.proxy_url,
        origin=place.user,
        ca_origin=place.cluster,
    )


def _with_identity(reached: Credentials, place: _Place, cluster: Cluster, user: User, authority: bytes) -> Credentials:
    if user.auth_provider is not None:
        _refuse(
            place.user,
            f"auth-provider {user.auth_provider.name!r}, which is not supported: use an exec credential plugin instead",
        )
    certificate = _pem(place.user, "client-certificate", user.client_certificate_data, user.client_certificate)
    found = dataclasses.replace(
        reached,
        certificate=certificate,
        key=_pem(place.user, "client-key", user.client_key_data, user.client_key) if certificate else b"",
        token=_token(place.user, user),
        password=(user.username, user.password) if user.username else None,
    )
    if found.token is not None or found.password is not None or certificate:
        return found
    if user.exec_plugin is None:
        raise NoCredentials(
            f"{place.user} holds no token, client certificate, credential plugin or user name: "
            "nothing is asked for anonymously"
        )
    return dataclasses.replace(
        reached, plugin=ExecPlugin(user.exec_plugin, _cluster_info(cluster, authority), place.user)
    )


def _server(origin: str, cluster: Cluster) -> SplitResult:
    """The server's URL; one without a scheme is plain HTTP, as for kubectl."""
    text = cluster.server
    if not text:
        raise NoCredentials(f"{origin} has no server")
    try:
        url = urlsplit(text)
        if not (url.scheme and url.netloc):
            url = urlsplit(f"http://{text}")
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        shown = text if "@" not in text else "(not shown, since it may hold a password)"
        raise NoCredentials(f"{origin} has the server {shown}, which is no URL: write it like https://HOST:PORT")
    if url.username is not None:
        _refuse(origin, "a server with a user name in its URL, which would be sent in the place of the user's own")
    return url


def _authority(origin: str, cluster: Cluster) -> bytes:
    if cluster.certificate_authority and cluster.certificate_authority_data:
        _refuse(origin, "both certificate-authority and certificate-authority-data: leave one of them out")
    authority = _pem(origin, "certificate-authority", cluster.certificate_authority_data, cluster.certificate_authority)
    if (
        cluster.certificate_authority or cluster.certificate_authority_data
    ) and b"-BEGIN CERTIFICATE-" not in authority:
        # Without any, the machine's own authorities would count.
        _refuse(origin, "a certificate-authority that holds no certificate")
    return authority


def _pem(origin: str, field_name: str, data: str, file: str) -> bytes:
    try:
        return kubeconfig_files.pem(data, file, field_name)
    except NoCredentials as error:
        raise NoCredentials(f"{origin}: {error}") from None


def _token(origin: str, user: User) -> Callable[[], str] | None:
    if not user.token_file:
        return (lambda: user.token) if user.token else None
    read = token_of(Path(user.token_file), user.token)
    try:
        # One that cannot be read is told before anything is sent.
        read()
    except NoCredentials as error:
        raise NoCredentials(f"{origin}: {error}") from None
    return read


def _impersonation(user: User) -> Impersonation | None:
    if not user.as_user:
        return None
    return Impersonation(user.as_user, user.as_uid, tuple(user.as_groups), user.as_user_extra)


def _cluster_info(cluster: Cluster, authority: bytes) -> dict[str, Any]:
    """What a credential plugin is told (client.authentication.k8s.io/v1, ``Cluster``)."""
    found = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(authority).decode(),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": next((named.extension for named in cluster.extensions if named.name == _EXEC_EXTENSION), None),
    }
    return {name: value for name, value in found.items() if value not in ("", None, False) or name == "server"}


def load(kubeconfig: str | None) -> Credentials:
    """What the kubeconfig at this path says, or in its absence the pod's own credentials. Raises NoCredentials."""
    if kubeconfig:
        return chosen([Path(kubeconfig)], Overrides())
    if not in_pod(os.environ):
        raise NoCredentials("no credentials: pass --kubeconfig FILE, or run in a pod with a ServiceAccount token")
    return of_pod(Overrides())


def load_for_person(kubeconfig: str | None, overrides: Overrides | None = None) -> Credentials:
    """What kubectl would use: this file, else those of ``KUBECONFIG``, else ``~/.kube/config``, else the pod's own.

    ``overrides`` is what the command line says beside it. Raises NoCredentials.
    """
    paths = [Path(kubeconfig)] if kubeconfig else kubeconfig_files.default_paths(os.environ)
    return chosen(paths, Overrides() if overrides is None else overrides, explicit=bool(kubeconfig))
