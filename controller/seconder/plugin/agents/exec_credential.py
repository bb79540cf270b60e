"""The plugin's side of what kubectl and a credential plugin say to each other (KEP-541)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from seconder.client.exec_plugin import GROUP, INFO, Status
from seconder.plugin.terminal.problem import Problem

_VERSION: Final = f"{GROUP}/v1"


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


def write(status: Status) -> str:
    """The answer to kubectl."""
    return json.dumps({"apiVersion": _VERSION, "kind": "ExecCredential", "status": status})
