"""Reads values.yaml with its comments; gives the JSON schema of values, and their table for the README.

A comment above a value describes it. A line ``@schema {...}`` in it is added to what follows from the default itself.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

_MARK: Final = "@schema "
_TYPES: Final = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


@dataclass(frozen=True, slots=True)
class Value:
    """A value: its path as in ``image.tag``, default, description, what the schema adds, and the values within."""

    path: str
    default: Any
    description: str
    more: dict[str, Any]
    within: tuple["Value", ...]

    @property
    def closed(self) -> bool:
        """Whether nothing may stand in it but the values within."""
        return bool(self.within) and "additionalProperties" not in self.more


def read(text: str) -> tuple[Value, ...]:
    """Read the text of values.yaml. Raises ValueError for a value of a type that no schema here describes."""
    return _within(yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text), "", text.splitlines())


def schema(values: tuple[Value, ...]) -> dict[str, Any]:
    """The JSON schema (draft 7, which Helm reads) that takes these values and refuses misspelled ones."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        # Helm hands these to every chart.
        "properties": {"global": {"type": "object"}} | {value.path: _schema(value) for value in values},
    }


def table(values: tuple[Value, ...]) -> str:
    """A Markdown table of every value that is set by itself."""
    rows = ["| value | default | meaning |", "|---|---|---|"]
    rows += [f"| `{leaf.path}` | `{_shown(leaf.default)}` | {about} |" for leaf, about in _leaves(values, "")]
    return "\n".join(rows)


def _within(node: yaml.Node | None, defaults: dict[str, Any], prefix: str, lines: list[str]) -> tuple[Value, ...]:
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{prefix or 'values.yaml'} is no mapping")
    found = []
    for key, value in node.value:
        default = defaults[key.value]
        if type(default) not in _TYPES:
            raise ValueError(f"{prefix}{key.value} has a default of no type that a schema describes: {default!r}")
        description, more = _comment(lines, key.start_mark.line)
        nested = value.value and isinstance(value, yaml.MappingNode) and "additionalProperties" not in more
        path = f"{prefix}{key.value}"
        inside = _within(value, default, f"{path}.", lines) if nested else ()
        found.append(Value(path, default, description, more, inside))
    return tuple(found)


def _comment(lines: list[str], line: int) -> tuple[str, dict[str, Any]]:
    """The words above a line, and what they add to the schema."""
    words: list[str] = []
    more: dict[str, Any] = {}
    for text in reversed(lines[:line]):
        if not text.strip().startswith("#"):
            break
        content = text.strip().removeprefix("#").strip()
        if content.startswith(_MARK):
            more = json.loads(content.removeprefix(_MARK))
        else:
            words.insert(0, content)
    return " ".join(words), more


def _schema(value: Value) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _TYPES[type(value.default)]}
    if value.description:
        found["description"] = value.description
    if value.closed:
        found["additionalProperties"] = False
        found["properties"] = {inner.path.rpartition(".")[2]: _schema(inner) for inner in value.within}
    return found | value.more


def _leaves(values: tuple[Value, ...], above: str) -> Iterator[tuple[Value, str]]:
    for value in values:
        about = value.description or above
        if value.within:
            yield from _leaves(value.within, about)
        else:
            yield value, about


def _shown(default: Any) -> str:
    return json.dumps(default).replace("|", "\\|")
