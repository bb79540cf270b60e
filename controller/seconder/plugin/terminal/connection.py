"""kubectl's usual flags, and the API server that they mean."""

import argparse
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seconder.api.text import clean
from seconder.plugin.terminal.problem import Problem

if TYPE_CHECKING:
    from seconder.client.api import Api
    from seconder.client.credentials import Credentials

_USER_AGENT: Final = "kubectl-seconder"
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server as one user. ``namespace``: ``-n``, else the context's, else the pod's, else ``default``."""

    api: "Api"
    credentials: "Credentials"
    namespace: str


def add_flags(parser: argparse.ArgumentParser, *, namespace: bool = True) -> None:
    """Add kubectl's flags that say which API server is asked, as whom, and (but for some verbs) ``-n``."""
    group = parser.add_argument_group("cluster")
    group.add_argument("--kubeconfig", metavar="FILE", help="left out: $KUBECONFIG, then ~/.kube/config")
    group.add_argument("--context", metavar="NAME", help="left out: the kubeconfig's current one")
    group.add_argument("--cluster", metavar="NAME", help="left out: the context's")
    group.add_argument("--user", metavar="NAME", help="left out: the context's")
    if namespace:
        group.add_argument("-n", "--namespace", metavar="NAME", help="left out: the context's, else default")
    group.add_argument("-s", "--server", metavar="URL", help="left out: the cluster's")
    group.add_argument("--request-timeout", metavar="TIME", help="for one request, like 5s; 0 is no bound")
    group = parser.add_argument_group("cluster, more rarely")
    group.add_argument("--as", dest="as_user", metavar="USER", help="impersonate somebody")
    group.add_argument("--as-group", metavar="GROUP", action="append", default=[], help="with --as; repeatable")
    group.add_argument("--as-uid", metavar="UID", help="with --as")
    group.add_argument(
        "--as-user-extra", metavar="KEY=VALUE", action="append", default=[], help="with --as; repeatable"
    )
    group.add_argument("--token", metavar="TOKEN", help="a bearer token in the place of the user's")
    group.add_argument("--client-certificate", metavar="FILE", help="in the place of the user's")
    group.add_argument("--client-key", metavar="FILE", help="in the place of the user's")
    group.add_argument("--certificate-authority", metavar="FILE", help="in the place of the cluster's")
    group.add_argument("--tls-server-name", metavar="NAME", help="what the server's certificate is checked for")
    group.add_argument("--proxy-url", metavar="URL", help="in the place of the cluster's; see also HTTPS_PROXY")
    # kubectl takes a value after an equals sign alone.
    insecure = "--insecure-skip-tls-verify"
    group.add_argument(insecure, action="store_true", help="do not check the server's certificate")
    for value, action in (("=true", "store_true"), ("=false", "store_false")):
        group.add_argument(f"{insecure}{value}", dest="insecure_skip_tls_verify", action=action, help=argparse.SUPPRESS)


def connect(arguments: argparse.Namespace) -> Connection:
    """Read the kubeconfig that the flags mean; nothing is sent yet. Raises Problem and NoCredentials."""
    # Help and mistyped flags do without what requests need: it is slow to load.
    from seconder.client import client_config
    from seconder.client.api import Api
    from seconder.client.client_config import Overrides

    found = client_config.load_for_person(
        arguments.kubeconfig,
        Overrides(
            context=arguments.context or "",
            cluster=arguments.cluster or "",
            user=arguments.user or "",
            namespace=getattr(arguments, "namespace", None) or "",
            server=arguments.server or "",
            tls_server_name=arguments.tls_server_name or "",
            insecure_skip_tls_verify=arguments.insecure_skip_tls_verify,
            certificate_authority=arguments.certificate_authority or "",
            proxy_url=arguments.proxy_url or "",
            client_certificate=arguments.client_certificate or "",
            client_key=arguments.client_key or "",
            token=arguments.token or "",
            as_user=arguments.as_user or "",
            as_uid=arguments.as_uid or "",
            as_groups=arguments.as_group,
            as_user_extra=_extra(arguments.as_user_extra),
            timeout=_timeout(arguments.request_timeout),
        ),
    )
    return Connection(Api(found, user_agent=_USER_AGENT, connections=4), found, found.namespace)


def _extra(given: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            # kubectl passes over it, and the request would be made for somebody with less than was meant.
            raise Problem(f"--as-user-extra {clean(text)} is not KEY=VALUE")
        found.setdefault(key, []).append(value)
    return found


def _timeout(text: str | None) -> float | None:
    """Seconds, or what Go's ``time.ParseDuration`` reads, in seconds; None where it is left out. Raises Problem."""
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.removeprefix("+"):
        raise Problem(f"--request-timeout {clean(text)} is no duration: write it like 5s, 2m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
