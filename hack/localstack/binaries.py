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

from localstack.build import build
from localstack.locking import locked
from localstack.pins import KUBERNETES_VERSION, LOCAL_STACK, MODULES, Binary, Module, modules
from localstack.toolchain import find_go

ASSETS: Final = "KUBEBUILDER_ASSETS"
"""A folder with Kubernetes' binaries, by the convention of envtest and controller-runtime."""

_KUBECTL_TIMEOUT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that holds binaries, and what to call it."""

    folder: Path
    title: str


def provide(
    wanted: Collection[Binary] = LOCAL_STACK, *, any_kubectl: bool, stream: TextIO = sys.stderr
) -> dict[Binary, Path]:
    """The path of each binary that is wanted, building into the cache what ``find`` does not find.

    Raises ``StackError`` when one of them can be neither found nor built.
    """
    environment = os.environ
    assets = environment.get(ASSETS)
    mine = [binary for binary in wanted if _may_come_from_assets(binary, environment)]
    if assets and (lacking := [binary for binary in mine if binary not in present_in(Path(assets))]):
        print(f"{ASSETS} has no {', '.join(lacking)} ({assets})", file=stream)
    found = {binary: place for binary, place in find(environment, any_kubectl=any_kubectl).items() if binary in wanted}
    for place in dict.fromkeys(found[binary] for binary in Binary if binary in found):
        names = ", ".join(binary for binary in Binary if found.get(binary) == place)
        print(f"{names}: from {place.title} ({place.folder})", file=stream, flush=True)
    if missing := [binary for binary in wanted if binary not in found]:
        _build(missing, environment, stream)
    return {
        binary: found[binary].folder / binary if binary in found else _cached(binary, environment) for binary in wanted
    }


def find(environment: Mapping[str, str], *, any_kubectl: bool) -> dict[Binary, Place]:
    """The first place that has each binary: KUBEBUILDER_ASSETS, then the cache; leave out those in neither.

    ``any_kubectl``: a kubectl on PATH does too, if it is within Kubernetes' version skew. The control plane of a minor
    version that is asked for comes from the cache alone: what is in KUBEBUILDER_ASSETS may be of any.
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


def _build(missing: Sequence[Binary], environment: Mapping[str, str], stream: TextIO) -> None:
    cache = cache_folder(environment)
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache, lambda: print("Another build is running; waiting for it ...", file=stream, flush=True)):
        jobs: list[tuple[Module, list[Binary]]] = []
        for module in modules(environment):
            built_meanwhile = present_in(cache / module.key)
            mine = [binary for binary in missing if _module_of(binary, environment) == module]
            if still_missing := [binary for binary in mine if binary not in built_meanwhile]:
                jobs.append((module, still_missing))
        if jobs:
            go = find_go(cache, lambda text: print(text, file=stream, flush=True))
            build(go, jobs, cache, stream)
