"""YAML and JSON files as client-go reads them."""

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec


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
    except (RecursionError, UnicodeDecodeError) as error:
        raise _unusable(error) from None


def _documents(content: bytes) -> Iterator[Any]:
    if content.lstrip().startswith(b"{"):
        # JSON may be indented by tabs, which YAML does not take.
        with contextlib.suppress(msgspec.DecodeError):
            return iter([msgspec.json.decode(content)])
    return _yaml(content)


def _yaml(content: bytes) -> Iterator[Any]:
    # Here, because it takes long to load, and what a pod or a local cluster is given is JSON.
    import yaml

    try:
        yield from yaml.load_all(content, _loader())
    except yaml.YAMLError as error:
        raise _unusable(error) from None


@cache
def _loader() -> Any:
    """A safe loader, in C where there is one, that leaves what looks like a moment the text that it is."""
    import yaml

    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [resolver for resolver in known if resolver[0] != "tag:yaml.org,2002:timestamp"]
        for first, known in safe.yaml_implicit_resolvers.items()
    }
    return type("Loader", (safe,), {"yaml_implicit_resolvers": resolvers})


def _unusable(error: Exception) -> ValueError:
    """A parser tells of its trouble in several lines."""
    return ValueError(" ".join(f"{type(error).__name__} {error}".split()))


def _without_null(value: Any) -> Any:
    """Go's decoder leaves out a field that is null."""
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value
