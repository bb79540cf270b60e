"""Kubeconfig files, complete in themselves: no paths to other files in them."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from localstack.files import write_private
from localstack.pki import KeyPair

_NAME: Final = "seconder-local"


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token."""

    text: str


def write_kubeconfig(path: Path, server: str, authority: bytes, credential: KeyPair | Token) -> None:
    """Write a kubeconfig with one context, mode 0600.

    ``server`` is a URL, ``authority`` the PEM of the CA that its certificate chains to.
    """
    user = (
        {"token": credential.text}
        if isinstance(credential, Token)
        else {
            "client-certificate-data": b64encode(credential.certificate).decode(),
            "client-key-data": b64encode(credential.key).decode(),
        }
    )
    cluster = {"server": server, "certificate-authority-data": b64encode(authority).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": path.stem, "user": user}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": path.stem}}],
        "current-context": _NAME,
    }
    write_private(path, yaml.safe_dump(document, sort_keys=False))
