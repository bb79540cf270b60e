"""An object by what Git and a controller's inventory know of it: no uid, and a kind in the place of a resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from seconder.api.text import clean
from seconder.api.type_reader import TypeReader


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """An object's group, kind, namespace (empty for none) and name."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def typed(self) -> str:
        """``deployment.apps/checkout -n shop``, as kubectl names it."""
        kind = self.kind.lower()
        typed = f"{kind}.{self.group}/{self.name}" if self.group else f"{kind}/{self.name}"
        return clean(f"{typed} -n {self.namespace}" if self.namespace else typed)


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Document(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    metadata: _Metadata


_document: Final = TypeReader(_Document)


def of(document: Mapping[str, Any]) -> Identity:
    """The identity of a manifest. Raises msgspec.ValidationError where it has none."""
    read = _document.convert(document)
    group = read.api_version.rpartition("/")[0]
    return Identity(group, read.kind, read.metadata.namespace, read.metadata.name)
