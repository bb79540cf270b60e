"""The image's file system, put together from packages without running any of them, and its configuration.

It has the layout that the Dockerfile makes: Debian's Python, an environment in /opt/seconder, the bill of materials.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from release.pinned import PYTHON, PinnedPython
from release.wheels import Wheel

_HOME: Final = "opt/seconder"
_PROGRAM: Final = f"/{_HOME}/bin/python"
PACKAGES: Final = f"{_HOME}/lib/python{PYTHON[0]}.{PYTHON[1]}/site-packages"
BILL: Final = "usr/share/sbom/seconder.cdx.json"
DESCRIPTION: Final = "A Kubernetes admission controller: an agent's deletion needs a peer's signature"
_PROCESSES: Final = 2


def config(version: str, revision: str) -> dict[str, Any]:
    """What a runtime is told: the Dockerfile's last stage, in the words of the OCI."""
    return {
        "User": "65532:65532",
        "ExposedPorts": {"9443/tcp": {}, "9090/tcp": {}},
        "Env": [
            f"PATH=/{_HOME}/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE=1",
            "PYTHONUNBUFFERED=1",
            f"SECONDER_REVISION={revision}",
        ],
        "Entrypoint": ["seconder"],
        "Labels": labels(version, revision),
    }


def labels(version: str, revision: str) -> dict[str, str]:
    """What the image is, by the OCI's names."""
    prefix = "org.opencontainers.image"
    return {
        f"{prefix}.title": "seconder",
        f"{prefix}.description": DESCRIPTION,
        f"{prefix}.version": version,
        f"{prefix}.revision": revision,
    }


def environment(root: Path) -> None:
    """Begin the virtual environment, as ``python3 -m venv --without-pip`` would on Debian."""
    programs = root / _HOME / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(f"/usr/bin/python{PYTHON[0]}.{PYTHON[1]}")
    (programs / "python3").symlink_to("python")
    (root / _HOME / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON[0]}.{PYTHON[1]}\n"
    )


def installed(wheels: Sequence[Wheel], root: Path, *, programs: bool = False) -> None:
    """Install wheels into the environment in ``root``; with their ``programs``, or without."""
    packages = str(root / PACKAGES)
    scripts = root / _HOME / "bin" if programs else root.parent / "unused"
    schemes = {
        "purelib": packages,
        "platlib": packages,
        "headers": str(root.parent / "unused"),
        "scripts": str(scripts),
        "data": str(root / _HOME),
    }
    for wheel in wheels:
        destination = SchemeDictionaryDestination(schemes, interpreter=_PROGRAM, script_kind="posix")
        with WheelFile.open(wheel.path) as source:
            install(source, destination, additional_metadata={"INSTALLER": b"seconder-release\n"})


def compile_all(trees: Sequence[Path], python: PinnedPython) -> int:
    """Compile every module of ``trees``, each kind once, and give how many that were.

    A tree is a layer of an image, whatever its architecture: the bytes of a compiled module depend on its source and on
    the path by which tracebacks name it, and so the same one goes wherever both are the same.
    """
    targets: dict[tuple[str, str], list[Path]] = {}
    for tree in trees:
        for source in _modules(tree):
            path = f"/{source.relative_to(tree).as_posix()}"
            targets.setdefault((path, hashlib.sha256(source.read_bytes()).hexdigest()), []).append(source)
    jobs = [(str(sources[0]), str(_compiled(sources[0])), path) for (path, _), sources in sorted(targets.items())]
    with ThreadPoolExecutor(_PROCESSES) as pool:
        parts = [jobs[number::_PROCESSES] for number in range(_PROCESSES)]
        list(pool.map(lambda part: python.do("compiled", jobs=part), parts))
    for first, *others in targets.values():
        for other in others:
            target = _compiled(other)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(_compiled(first).read_bytes())
    return len(jobs)


def _modules(tree: Path) -> Iterator[Path]:
    """Every module that may be imported: below a folder of the Python of the image."""
    for folder in (f"usr/lib/python{PYTHON[0]}.{PYTHON[1]}", "usr/lib/python3", PACKAGES):
        yield from (path for path in sorted((tree / folder).rglob("*.py")) if path.is_file() and not path.is_symlink())


def _compiled(source: Path) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.cpython-{PYTHON[0]}{PYTHON[1]}.pyc"
