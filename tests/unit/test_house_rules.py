"""What every file of the repository keeps to."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from localstack.generate import generated

ROOT = Path(__file__).parents[2]
_LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
_WHEELS = ("hack/localstack/go-requirements.lock", "hack/localstack/kubectl-requirements.lock")


def _tracked() -> list[Path]:
    """Give every file that git tracks, or, outside a checkout, that lies here."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_generated_files_are_as_they_would_be_written(path: Path) -> None:
    """Change the model, then run ``make generate``."""
    assert path.read_text() == generated()[path]


@pytest.mark.parametrize("name", [*_LOCKS, *_WHEELS])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    """What is installed is what was locked, from wherever the machine gets its packages."""
    text = (ROOT / name).read_text()
    assert "://" not in text
    entries = [entry for entry in re.split(r"(?m)^(?=[A-Za-z0-9])", text) if "==" in entry]
    assert entries
    for entry in entries:
        assert "--hash=sha256:" in entry, entry


def test_the_development_lock_agrees_with_the_others() -> None:
    """Tests run what ships, and what makes it."""
    runtime, build, development = (
        set(re.findall(r"(?m)^([A-Za-z0-9_.-]+==\S+)", (ROOT / name).read_text())) for name in _LOCKS
    )
    assert runtime | build <= development


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    """Nothing here depends on where it was written."""
    forbidden = re.compile(r"(pypi|npmjs|debian|golang|crates)\.(org|io|com)\b|/(root|work|home)/[a-z]")
    for path in _tracked():
        if path.name in {"go.mod", "go.sum", "test_house_rules.py"} or path.suffix in {".lock"}:
            continue
        text = path.read_text(errors="replace")
        found = forbidden.search(text)
        assert found is None, f"{path.relative_to(ROOT)}: {found.group() if found else ''}"


def test_what_has_compiled_modules_is_tested_compiled() -> None:
    """`make test-compiled` runs the tests of each such package."""
    compiled = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["seconder"]["compiled"]
    command = subprocess.run(["make", "-n", "test-compiled"], cwd=ROOT, capture_output=True, check=True, text=True)
    packages = {f"tests/unit/{name.partition('.')[0]}" for name in compiled}
    assert sorted(packages - set(command.stdout.split())) == []
