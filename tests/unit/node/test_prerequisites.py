"""What a machine without the tools is told."""

import os
from pathlib import Path

import pytest

from localstack.errors import StackError
from node import prerequisites


def test_each_lacking_package_is_named_once() -> None:
    """Three plug-ins of one package are one package."""
    present = {
        tool.program for tool in prerequisites.TOOLS if tool.package not in {"containernetworking-plugins", "runc"}
    }
    lacking = prerequisites.lacking_packages(lambda program: Path(program) if program in present else None)
    assert lacking == ["containernetworking-plugins", "runc"]


def test_nothing_is_lacking_where_all_is_there() -> None:
    """No tool is looked for that no package has."""
    assert prerequisites.lacking_packages(Path) == []


def test_it_is_said_that_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is installed or built."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StackError, match="needs root"):
        prerequisites.ensure({"CI": "true"})


def test_the_command_that_installs_is_said_and_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only CI gets packages unasked."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(prerequisites, "lacking_packages", lambda: ["runc"])
    monkeypatch.setattr(prerequisites, "path_of", Path)
    with pytest.raises(StackError, match="apt-get install --yes --no-install-recommends runc"):
        prerequisites.ensure({})
