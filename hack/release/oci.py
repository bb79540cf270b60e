"""An image as the OCI has it: layers, configuration, manifest, an index over platforms, and all of it in one archive.

Source: https://github.com/opencontainers/image-spec, 1.1.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from release.platforms import Platform

_TYPE: Final = "application/vnd.oci.image.{}"
_VARIANTS: Final = {"arm64": {"variant": "v8"}}

Descriptor = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """A compressed layer that was written into a layout. ``title`` says what made it."""

    title: str
    digest: str
    size: int
    diff_id: str


class Layout:
    """A folder in the form of an OCI layout; ``created`` is the one time in it, as RFC 3339 has it."""

    def __init__(self, folder: Path, created: str) -> None:
        self.folder: Final = folder
        self._blobs: Final = folder / "blobs/sha256"
        self._created: Final = created
        self._blobs.mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def layer(self, title: str, file: Path, packed: dict[str, Any]) -> Layer:
        """Take in a packed layer. ``packed`` is what ``packing.tarred`` tells of it."""
        file.replace(self._blobs / packed["digest"])
        return Layer(title, packed["digest"], packed["size"], packed["plain"])

    def image(self, platform: Platform, config: dict[str, Any], layers: list[Layer]) -> Descriptor:
        """Write configuration and manifest of an image; give what an index says of it."""
        history = [{"created": self._created, "created_by": layer.title} for layer in layers]
        where = {"architecture": platform.architecture, "os": platform.system} | _VARIANTS.get(
            platform.architecture, {}
        )
        document = where | {
            "created": self._created,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]},
            "history": history,
        }
        media = _TYPE.format("layer.v1.tar+gzip")
        kind = _TYPE.format("manifest.v1+json")
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": self._document(_TYPE.format("config.v1+json"), document),
            "layers": [
                {"mediaType": media, "digest": f"sha256:{layer.digest}", "size": layer.size} for layer in layers
            ],
        }
        return self._document(kind, manifest) | {"platform": where}

    def index(self, images: list[Descriptor], name: str, annotations: dict[str, str]) -> str:
        """Write the index over platforms, to be found by ``name``; give its digest."""
        media = _TYPE.format("index.v1+json")
        document = {"schemaVersion": 2, "mediaType": media, "manifests": images, "annotations": annotations}
        found = self._document(media, document)
        named = found | {"annotations": {"org.opencontainers.image.ref.name": name}}
        (self.folder / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "mediaType": media, "manifests": [named]}, separators=(",", ":"))
        )
        return str(found["digest"])

    def _document(self, media: str, document: dict[str, Any]) -> Descriptor:
        content = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()
        (self._blobs / digest).write_bytes(content)
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)}
