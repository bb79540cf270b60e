"""An image's archive, taken apart: what a test says of its files holds for the files that a registry would get."""

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any


class Unpacked:
    """``root``: the file system; ``config``: what OCI calls the image's configuration.

    ``compressed_bytes``: of all layers.
    Source: https://github.com/opencontainers/image-spec
    """

    def __init__(self, archive: Path, folder: Path) -> None:
        self.root = folder
        folder.chmod(0o755)  # as any root has; the user of the image looks in
        with tarfile.open(archive) as tar:
            (manifest,) = _json(tar, "index.json")["manifests"]
            document = _blob_json(tar, manifest)
            self.config: dict[str, Any] = _blob_json(tar, document["config"])["config"]
            self.compressed_bytes = sum(layer["size"] for layer in document["layers"])
            for layer in document["layers"]:
                with tarfile.open(fileobj=tar.extractfile(_blob(layer)), mode="r:gz") as files:
                    assert not [name for name in files.getnames() if Path(name).name.startswith(".wh.")], "whiteouts"
                    files.extractall(folder, filter="fully_trusted")  # noqa: S202  owners and modes too

    def debian_packages(self) -> dict[str, str]:
        """Give the version of each Debian package that dpkg has down as installed."""
        shown = ["dpkg-query", f"--admindir={self.root}/var/lib/dpkg", "--show", "--showformat=${Package} ${Version}\n"]
        lines = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.splitlines()
        return dict(line.split(" ") for line in lines)


def _blob(descriptor: dict[str, Any]) -> str:
    return f"blobs/{descriptor['digest'].replace(':', '/')}"


def _blob_json(tar: tarfile.TarFile, descriptor: dict[str, Any]) -> dict[str, Any]:
    return _json(tar, _blob(descriptor))


def _json(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = tar.extractfile(name)
    assert file is not None, name
    document: dict[str, Any] = json.load(file)
    return document
