"""The version: it stands in pyproject.toml, and ``make generate`` writes it into the files that repeat it."""

import re
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

_PLACES: Final = {
    "controller/seconder/__init__.py": ('__version__ = "{}"',),
    "charts/seconder/Chart.yaml": ("version: {}", 'appVersion: "{}"'),
    "Dockerfile": ("ARG VERSION={}",),
}
"""The lines that repeat it, by file. Programs tell it where no package's metadata is, too: from a checkout."""


def version(root: Path = ROOT) -> str:
    """The version in pyproject.toml, as in ``1.2.3``: what PEP 440 and Helm's Semantic Versioning read alike.

    Raises ValueError for another form.
    """
    found = str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", found):
        raise ValueError(
            f"pyproject.toml: the version {found} is not of the form 1.2.3, which Python and Helm read alike"
        )
    return found


def written(root: Path = ROOT) -> dict[Path, str]:
    """Each file that repeats the version, with it. Raises ValueError where a file has not exactly one place for it."""
    return {
        root / name: _filled(name, (root / name).read_text(), lines, version(root)) for name, lines in _PLACES.items()
    }


def _filled(name: str, text: str, lines: tuple[str, ...], version: str) -> str:
    for line in lines:
        before, _, after = line.partition("{}")
        pattern = rf"^{re.escape(before)}\S*?{re.escape(after)}$"
        text, count = re.subn(pattern, lambda _, line=line: line.format(version), text, flags=re.MULTILINE)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"{name}: {count} lines have the form {line.format('VERSION')}, which one must have")
    return text
