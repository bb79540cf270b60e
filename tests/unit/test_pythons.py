"""``make pythons`` says of each Python how it went, and never takes none for all."""

import shutil
from pathlib import Path

import pytest

import pythons


def _run(monkeypatch: pytest.MonkeyPatch, names: list[str], here: dict[str, bool]) -> int:
    """Run it where these Pythons are here, with tests that pass under some of them."""
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/true" if name in here else None)
    passing = iter([here[name] for name in names if name in here])
    monkeypatch.setattr(pythons, "_passes", lambda _: next(passing))
    return pythons.main(names)


def test_a_python_that_is_not_here_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What did not run is said, and is no failure beside what did."""
    assert _run(monkeypatch, ["python3.11", "python3.14"], {"python3.11": True}) == 0
    assert "python3.14: not here" in capsys.readouterr().out


@pytest.mark.parametrize("here", [{}, {"a": False, "b": True}, {"a": True, "b": False}])
def test_a_failure_under_one_and_none_at_all_are_failures(
    monkeypatch: pytest.MonkeyPatch, here: dict[str, bool]
) -> None:
    """Exit code 1."""
    assert _run(monkeypatch, ["a", "b"], here) == 1


def test_the_makefile_names_each_python_that_is_supported() -> None:
    """From the oldest that the package takes on."""
    makefile = (pythons.ROOT / "Makefile").read_text()
    assert "PYTHONS ?= python3.11 python3.12 python3.13 python3.14" in makefile
    assert 'requires-python = ">=3.11"' in Path(pythons.ROOT / "pyproject.toml").read_text()
