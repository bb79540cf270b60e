"""What a directory or a file of manifests renders to: the objects that Git would have after a merge."""

import io
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from seconder.api.text import clean
from seconder.plugin.gitops import identity
from seconder.plugin.gitops.identity import Identity
from seconder.plugin.terminal import manifests
from seconder.plugin.terminal.problem import Problem

_SECONDS: Final = 120.0
"""For kustomize, which may fetch what a kustomization names."""

_VARIABLE: Final = "$"

Rendered = Mapping[Identity, Mapping[str, Any]]
"""The documents by their identities."""


def of_directory(directory: str, namespace: str) -> Rendered:
    """What ``kubectl kustomize`` makes of a directory.

    ``namespace``: what a controller puts in the place of every namespace; empty for none. Raises Problem.
    """
    root = Path(directory)
    if not root.is_dir():
        raise Problem(f"-k {clean(directory)} is no directory")
    if not namespace:
        return _read(_kustomize(root, directory), directory)
    # The same transformer in an overlay: it renames Namespaces as well.
    with tempfile.TemporaryDirectory(prefix="seconder-") as folder:
        overlay = Path(folder).resolve()
        resources = [os.path.relpath(root.resolve(), overlay)]
        (overlay / "kustomization.yaml").write_text(yaml.safe_dump({"resources": resources, "namespace": namespace}))
        return _read(_kustomize(overlay, directory), directory)


def of_file(path: str) -> Rendered:
    """The manifests in a file, or those of standard input (``-``). Raises Problem."""
    return _by_identity(manifests.documents(path), path)


def _kustomize(root: Path, named: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and kubectl is whoever calls this
            ["kubectl", "kustomize", str(root)],  # noqa: S607 - whichever the person uses
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise Problem(
            "kubectl is not on PATH, and it renders what -k names; or give rendered manifests as -f -"
        ) from None
    except subprocess.TimeoutExpired:
        raise Problem(f"kubectl kustomize {clean(named)} did not end within {_SECONDS:.0f} s") from None
    if done.returncode != 0:
        why = clean(" ".join(done.stderr.decode(errors="replace").split()))
        raise Problem(f"kubectl kustomize {clean(named)} failed, so what a merge would delete is not known: {why}")
    return done.stdout


def _read(content: bytes, named: str) -> Rendered:
    return _by_identity(manifests.documents_of(io.BytesIO(content), f"what {clean(named)} renders to"), named)


def _by_identity(documents: Iterable[Mapping[str, Any]], named: str) -> Rendered:
    found: dict[Identity, Mapping[str, Any]] = {}
    for document in documents:
        try:
            each = identity.of(document)
        except msgspec.ValidationError as error:
            raise Problem(f"{clean(named)} holds what is no object ({clean(str(error))})") from None
        if _VARIABLE in f"{each.group}{each.kind}{each.namespace}{each.name}":
            raise Problem(
                f"{each.typed} has a variable in its name, which a controller fills in later: give what it would apply "
                "as -f -"
            )
        found[each] = document
    return found
