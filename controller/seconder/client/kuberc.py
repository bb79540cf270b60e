"""The one thing in kubectl's preferences that says who may ask: which credential plugins may run (KEP-3104)."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from seconder.api.type_reader import TypeReader
from seconder.client import documents
from seconder.client.credentials import NoCredentials

_KIND: Final = "Preference"
_API_VERSIONS: Final = ("kubectl.config.k8s.io/v1beta1", "kubectl.config.k8s.io/v1alpha1")


class Allowed(msgspec.Struct, frozen=True):
    """A plugin that may run; ``name`` is the older word for ``command``."""

    name: str = ""
    command: str = ""


class Preferences(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of the file."""

    credential_plugin_policy: str = ""
    credential_plugin_allowlist: list[Allowed] | None = None


_preferences: Final = TypeReader(Preferences)


def check_plugin(command: str, environment: Mapping[str, str]) -> None:
    """Raise NoCredentials when the person's preferences do not let this credential plugin run."""
    path, named = _path(environment)
    if path is None:
        return
    try:
        preferences = _read(path)
    except FileNotFoundError:
        if not named:
            return
        raise NoCredentials(f"kuberc {path} is not there: see KUBERC") from None
    except (OSError, ValueError) as error:
        # kubectl goes on without a file that it was not told of; what it forbids would then be done here.
        raise NoCredentials(f"kuberc {path}, which says what plugins may run, is not usable: {error}") from None
    policy, allowed = preferences.credential_plugin_policy, preferences.credential_plugin_allowlist
    if policy in {"", "AllowAll"} and allowed is None:
        return
    if policy == "Allowlist" and allowed and _is_among(command, allowed):
        return
    raise NoCredentials(f"kuberc {path} does not let credential plugin {command} run (policy {policy or 'AllowAll'})")


def _path(environment: Mapping[str, str]) -> tuple[Path | None, bool]:
    """Where the file is, and whether it was named."""
    named = environment.get("KUBERC", "")
    if named == "off" or environment.get("KUBECTL_KUBERC", "").lower() == "false":
        return None, False
    if named:
        return Path(named), True
    home = environment.get("HOME", "")
    return (Path(home) / ".kube" / "kuberc", False) if home else (None, False)


def _read(path: Path) -> Preferences:
    for document in documents.parse_all(path.read_bytes()):
        if document.get("kind") == _KIND and document.get("apiVersion") in _API_VERSIONS:
            return _preferences.convert(document)
    return Preferences()


def _is_among(command: str, allowed: list[Allowed]) -> bool:
    program = shutil.which(command)
    for entry in allowed:
        wanted = entry.command or entry.name
        if wanted in {os.path.normpath(command), program} or (program is not None and shutil.which(wanted) == program):
            return bool(wanted)
    return False
