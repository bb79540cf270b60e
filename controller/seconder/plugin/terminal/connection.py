"""kubectl's usual flags, and the API server that they mean."""

import argparse
from dataclasses import dataclass
from typing import Final

from seconder.client import credentials
from seconder.client.api import Api
from seconder.client.credentials import Credentials

_USER_AGENT: Final = "kubectl-seconder"


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server as one user. ``namespace`` is what ``-n`` says, else the context's, else ``default``."""

    api: Api
    credentials: Credentials
    namespace: str


def add_flags(parser: argparse.ArgumentParser, *, namespace: bool = True) -> None:
    """Add ``--kubeconfig``, ``--context`` and ``-n``."""
    group = parser.add_argument_group("cluster")
    group.add_argument("--kubeconfig", metavar="FILE", help="left out: $KUBECONFIG, then ~/.kube/config")
    group.add_argument("--context", metavar="NAME", help="left out: the kubeconfig's current one")
    if namespace:
        group.add_argument("-n", "--namespace", metavar="NAME", help="left out: the context's, else default")


def connect(arguments: argparse.Namespace) -> Connection:
    """Read the kubeconfig that the flags mean; nothing is sent yet. Raises NoCredentials."""
    found = credentials.load_for_person(arguments.kubeconfig, arguments.context)
    namespace = getattr(arguments, "namespace", None) or found.namespace
    return Connection(Api(found, user_agent=_USER_AGENT, connections=4), found, namespace)
