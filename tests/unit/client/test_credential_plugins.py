"""Kubeconfigs whose credential comes from a plugin, run for real."""

import json
from pathlib import Path

import pytest

from seconder.client import credentials


def _kubeconfig(folder: Path, script: str) -> Path:
    plugin = folder / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o700)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "local", "user": "me"}}],
        "clusters": [{"name": "local", "cluster": {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}}],
        "users": [{"name": "me", "user": {"exec": run}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_a_plugins_token_is_used(tmp_path: Path) -> None:
    """The exec plugin is run, and its token sent."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-the-plugin"},
    }
    loaded = credentials.load(str(_kubeconfig(tmp_path, f"echo '{json.dumps(credential)}'")))
    assert loaded.server == "https://127.0.0.1:1"
    assert loaded.token is not None
    assert loaded.token() == "from-the-plugin"


def test_a_plugin_that_gives_nothing_leaves_no_token(tmp_path: Path) -> None:
    """The API server then says no; nothing is made up here."""
    assert credentials.load(str(_kubeconfig(tmp_path, "exit 1"))).token is None


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    """One line that says what is wrong."""
    with pytest.raises(credentials.NoCredentials, match="no 'there' under contexts"):
        credentials.load(str(_kubeconfig(tmp_path, "exit 1")), "there")
