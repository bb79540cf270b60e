"""What kubectl and a credential plugin say to each other: client.authentication.k8s.io/v1 (KEP-541)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from seconder.plugin.terminal.problem import Problem

INFO: Final = "KUBERNETES_EXEC_INFO"
GROUP: Final = "client.authentication.k8s.io"
_VERSION: Final = f"{GROUP}/v1"
_FIELDS: Final = ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")

Status = dict[str, str]
"""A credential: some of ``token``, ``clientCertificateData``, ``clientKeyData`` (PEM) and ``expirationTimestamp``."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """How kubectl calls: whether somebody can be asked, and the cluster that the credential is for."""

    interactive: bool
    cluster: Mapping[str, Any]


def read_invocation(environment: Mapping[str, str]) -> Invocation:
    """Read what kubectl says in the environment. Raises Problem."""
    text = environment.get(INFO, "")
    if not text:
        raise Problem(f"{INFO} is not set: this is not typed, but called by kubectl; see docs/assistants.md")
    try:
        document = json.loads(text)
        version, spec = document["apiVersion"], document["spec"]
        cluster, interactive = spec.get("cluster"), bool(spec.get("interactive"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Problem(f"{INFO} does not hold an ExecCredential") from None
    if version != _VERSION:
        raise Problem(f"kubectl asks for {version}: set the user's exec.apiVersion to {_VERSION}")
    if not isinstance(cluster, dict) or not isinstance(cluster.get("server"), str):
        raise Problem("kubectl does not tell the cluster: set the user's exec.provideClusterInfo to true")
    return Invocation(interactive, cluster)


def invocation_for(version: str, given: Invocation, *, interactive: bool, with_cluster: bool) -> str:
    """Give what to put into the environment of another plugin."""
    spec = {"interactive": interactive} | ({"cluster": given.cluster} if with_cluster else {})
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})


def write(status: Status) -> str:
    """Give the answer to kubectl."""
    return json.dumps({"apiVersion": _VERSION, "kind": "ExecCredential", "status": status})


def read_status(content: bytes, version: str, plugin: str) -> Status:
    """Read another plugin's answer. Raises Problem."""
    try:
        document = json.loads(content)
        if document["kind"] != "ExecCredential" or document["apiVersion"] != version:
            raise ValueError("another kind or version")
        status = document["status"]
        found = {name: status[name] for name in _FIELDS if status.get(name)}
        if not all(isinstance(value, str) for value in found.values()):
            raise TypeError("a field is no text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Not what it says: that may be half a credential.
        raise Problem(f"credential plugin {plugin} does not answer with an ExecCredential of {version}") from None
    if not ("token" in found or ("clientCertificateData" in found and "clientKeyData" in found)):
        raise Problem(f"credential plugin {plugin} gives no credential")
    return found
