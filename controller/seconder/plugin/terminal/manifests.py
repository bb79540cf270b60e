"""Objects and approvers that somebody saved with ``kubectl get --output=yaml``, for those who have no cluster."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import msgspec
import yaml

from seconder.api import constants
from seconder.api.resources import GroupResource, Target
from seconder.api.text import clean
from seconder.api.type_reader import TypeReader
from seconder.approvals import approver_documents
from seconder.approvals.certificates import authority_documents
from seconder.approvals.certificates.authority import Authority
from seconder.approvals.registry import Approver, Registry
from seconder.plugin.terminal.problem import Problem

_MAX_BYTES: Final = 32 * 1024 * 1024
_MAX_DEPTH: Final = 100
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STDIN: Final = "-"


class _Metadata(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    uid: Annotated[str, msgspec.Meta(min_length=1)]
    namespace: str = ""
    annotations: dict[str, str] | None = None


class SavedObject(msgspec.Struct, rename="camel"):
    """What of an object matters to approvals."""

    api_version: Annotated[str, msgspec.Meta(min_length=1)]
    kind: Annotated[str, msgspec.Meta(min_length=1)]
    metadata: _Metadata

    def target(self, resource: str = "") -> Target:
        """The object as a target. ``resource``: its plural, where the kind's is no regular one."""
        group = self.api_version.rpartition("/")[0]
        metadata = self.metadata
        named = resource or plural(self.kind)
        return Target(GroupResource(group, named), self.kind, metadata.namespace, metadata.name, metadata.uid)


_saved: Final = TypeReader(SavedObject)


def read_object(path: str) -> SavedObject:
    """Read the one object in this file (``-``: standard input). Raises Problem."""
    found = list(documents(path))
    if len(found) != 1:
        raise Problem(f"{path} holds {len(found)} objects: save one alone, with kubectl get TYPE/NAME -o yaml")
    try:
        return _saved.convert(found[0])
    except msgspec.ValidationError as error:
        raise Problem(f"{path} holds no whole object ({clean(str(error))}): save it with kubectl get -o yaml") from None


def read_registry(path: str) -> Registry:
    """Read the Approvers and ApproverAuthorities in this file (``-``: standard input). Raises Problem."""
    approvers: list[Approver] = []
    authorities: list[Authority] = []
    for document in documents(path):
        if not str(document.get("apiVersion")).startswith(f"{constants.DOMAIN}/"):
            continue
        kind = document.get("kind")
        try:
            if kind == "Approver":
                approvers.append(approver_documents.parse_approver(document))
            elif kind == "ApproverAuthority":
                authorities.append(authority_documents.parse_authority(document))
        except (msgspec.ValidationError, KeyError, TypeError) as error:
            raise Problem(f"{path} holds an {kind} that is not usable: {clean(str(error))}") from None
    if not approvers and not authorities:
        raise Problem(
            f"{path} holds no Approver: save them with kubectl get {','.join(constants.WHO_APPROVES)} -o yaml"
        )
    return Registry(approvers, authorities)


def plural(kind: str) -> str:
    """Guess as UnsafeGuessKindToResource of k8s.io/apimachinery does."""
    name = kind.lower()
    if name == "endpoints":
        return name
    if name.endswith("s"):
        return f"{name}es"
    return f"{name.removesuffix('y')}ies" if name.endswith("y") else f"{name}s"


def documents(path: str) -> Iterator[dict[str, Any]]:
    """The documents of a file (``-``: standard input), those in a List one by one. Raises Problem."""
    try:
        if path == _STDIN:
            yield from documents_of(sys.stdin.buffer, path)
        else:
            with Path(path).open("rb") as file:
                yield from documents_of(file, path)
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from None


def documents_of(stream: BinaryIO, path: str) -> Iterator[dict[str, Any]]:
    """The documents of what is read; ``path`` is what it is called. Raises Problem and OSError."""
    content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise Problem(f"{path} is larger than {_MAX_BYTES // 1024 // 1024} MiB: save less in one file")
    try:
        # JSON is read as JSON: YAML knows other escapes.
        is_json = content.lstrip().startswith(b"{")
        loaded = [msgspec.json.decode(content)] if is_json else _yaml(content)
    except (msgspec.DecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise Problem(f"{path} is neither YAML nor JSON: {clean(' '.join(str(error).split()))}") from None
    for document in loaded:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise Problem(f"{path} holds no Kubernetes object: save one with kubectl get -o yaml")
        items = document.get("items")
        if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))
        else:
            yield document


def _yaml(content: bytes) -> list[Any]:
    depth = 0
    for event in yaml.parse(content, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            # The loader in C follows any depth, until the process has no stack left.
            raise ValueError("it nests too deeply")
    return list(yaml.load_all(content, _LOADER))
