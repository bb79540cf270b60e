"""YAML and JSON files as client-go reads them."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

_SAFE: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SAFE):  # type: ignore[misc]
    """A safe loader, in C where there is one, that leaves what looks like a moment the text that it is."""

    yaml_implicit_resolvers: Final = {
        first: [resolver for resolver in resolvers if resolver[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _SAFE.yaml_implicit_resolvers.items()
    }


def parse(content: bytes) -> dict[str, Any]:
    """The first document of a file, without fields that are null; ``{}`` for an empty file. Raises ValueError."""
    return next(parse_all(content), {})


def parse_all(content: bytes) -> Iterator[dict[str, Any]]:
    """The documents of a file, without fields that are null. Raises ValueError."""
    try:
        for document in _documents(content):
            if document is None:
                continue
            if not isinstance(document, dict):
                raise ValueError("it is not a mapping")
            yield _without_null(document)
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        # A parser tells of its trouble in several lines.
        raise ValueError(" ".join(f"{type(error).__name__} {error}".split())) from None


def _documents(content: bytes) -> Iterator[Any]:
    if content.lstrip().startswith(b"{"):
        # JSON may be indented by tabs, which YAML does not take.
        with contextlib.suppress(msgspec.DecodeError):
            return iter([msgspec.json.decode(content)])
    found: Iterator[Any] = yaml.load_all(content, _Loader)
    return found


def _without_null(value: Any) -> Any:
    """Go's decoder leaves out a field that is null."""
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value
