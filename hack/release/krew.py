"""The manifest by which krew installs the plugin. Source: https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from release.fetching import sha256
from release.platforms import Platform

NAME: Final = "seconder"
PROGRAM: Final = "kubectl-seconder"
"""Both are krew's convention: the file of the plugin, below the name of the manifest."""

_DESCRIPTION: Final = """\
Seconder refuses what agents would take away from a cluster until a peer, a registered person who is
neither the agent nor whoever set it going, has signed for exactly that. With this plugin peers see
what waits, look at it, and approve or deny it with their SSH keys.
"""
_CAVEATS: Final = """\
It needs Python 3.11 to 3.14 as python3, and ssh-keygen, on PATH. For completion of the shell, link it by a second name:
  ln -s "$(command -v kubectl-seconder)" "$HOME/.krew/bin/kubectl_complete-seconder"
"""


def manifest(version: str, downloads: str, archives: Mapping[Platform, Path]) -> str:
    """The manifest's text. ``downloads``: the address below which each of ``archives`` will be found by its name."""
    document: dict[str, Any] = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": NAME},
        "spec": {
            "version": f"v{version}",
            "shortDescription": "Approve what agents may take away",
            "description": _DESCRIPTION,
            "caveats": _CAVEATS,
            "platforms": [
                {
                    "selector": {"matchLabels": {"os": platform.system, "arch": platform.architecture}},
                    "uri": f"{downloads.rstrip('/')}/{archive.name}",
                    "sha256": sha256(archive),
                    "files": [{"from": PROGRAM, "to": "."}],
                    "bin": PROGRAM,
                }
                for platform, archive in archives.items()
            ],
        },
    }
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
