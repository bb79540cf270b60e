r"""An object as text to compare line by line: block YAML, in which no value is taken for a line that it is not.

A string that is more than a few plain words stands in double quotes, with the escapes of YAML 1.2 (5.7): whatever is
not plain ASCII by its number, spaces that run on as ``\ ``. One of several lines has a piece in quotes for each.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

_KEY: Final = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)
_WORDS: Final = re.compile(r"[A-Za-z_/](?:[\w./@+=,%-]|[: ](?=[\w./@+=,%-]))*", re.ASCII)
"""A colon or a space ends none of it: what is before a colon and a space would be a key."""

_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_NO_STRING: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_RUNS: Final = re.compile(r"  +")
_INDENTED: Final = 16
"""Spaces in front of a line that are shown as they are."""


def lines(value: Any) -> list[str]:
    """The lines of a value that was read from JSON. A number that is ``msgspec.Raw`` is as it was written."""
    if isinstance(value, Mapping) and value:
        return [line for key, held in value.items() for line in _entry(_text(key, _KEY), held)]
    if isinstance(value, list) and value:
        return [line for held in value for line in _item(lines(held))]
    if isinstance(value, str):
        pieces = _LINES.findall(value)
        return [*map(_quoted, pieces)] if len(pieces) > 1 else [_text(value, _WORDS)]
    return [bytes(value).decode() if isinstance(value, msgspec.Raw) else json.dumps(value)]


def _entry(key: str, held: Any) -> Iterator[str]:
    below = lines(held)
    if len(below) == 1 and not (held and isinstance(held, Mapping | list)):
        yield f"{key}: {below[0]}"
        return
    yield f"{key}:"
    indent = "" if isinstance(held, list) else "  "
    yield from (f"{indent}{line}" for line in below)


def _item(below: Sequence[str]) -> Iterator[str]:
    yield f"- {below[0]}"
    yield from (f"  {line}" for line in below[1:])


def _text(text: str, plain: re.Pattern[str]) -> str:
    return text if plain.fullmatch(text) and text.lower() not in _NO_STRING else _quoted(text)


def _quoted(text: str) -> str:
    indent = len(text) - len(text.lstrip(" "))
    kept = indent if indent <= _INDENTED else 0
    escaped = json.dumps(text[kept:]).replace("\x7f", "\\u007f")
    return f'"{" " * kept}{_RUNS.sub(_escaped, escaped[1:])}'


def _escaped(run: re.Match[str]) -> str:
    return "\\ " * len(run[0])
