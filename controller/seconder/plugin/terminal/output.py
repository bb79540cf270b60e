"""What people and programs read: tables, times as kubectl shortens them, JSON and YAML; and a question to them."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TextIO

from seconder.api.resources import Target
from seconder.api.text import folded
from seconder.plugin.terminal.problem import Problem

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60))
_COLUMNS: Final = 80
"""Where nobody says."""

_LABEL: Final = 12
_NEVER: Final = 2**31 - 1
"""Columns that no line has."""

_HANG: Final = 4
"""More spaces in front of what continues a line."""


def add_format(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add ``-o``."""
    parser.add_argument("-o", "--output", choices=("json", "yaml", *more), help="left out: for people")


def dump(value: Any, form: str) -> str:
    """The text as JSON or YAML, without a newline at its end."""
    if form == "json":
        return json.dumps(value, indent=4)
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False, width=_NEVER)).rstrip("\n")


def object_document(target: Target) -> dict[str, str]:
    """An object in a document for programs."""
    return {
        "group": target.resource.group,
        "resource": target.resource.resource,
        "namespace": target.namespace,
        "name": target.name,
        "uid": target.uid,
    }


def table(rows: Sequence[Sequence[str]], widths: Sequence[int] = ()) -> list[str]:
    """Lines with columns three spaces apart. ``widths`` are the least ones."""
    if not rows:
        return []
    least = (*widths, *[0] * (len(rows[0]) - len(widths)))
    width = [max(at_least, *map(len, column)) for at_least, column in zip(least, zip(*rows, strict=True), strict=True)]
    return ["   ".join(cell.ljust(size) for cell, size in zip(row, width, strict=True)).rstrip() for row in rows]


def columns() -> int:
    """How many there are at the terminal that shows what is written, be it through a pager."""
    if (given := os.environ.get("COLUMNS", "")).isascii() and given.isdecimal() and int(given):
        return int(given)
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        try:
            if found := os.get_terminal_size(stream.fileno()).columns:
                return found
        except (AttributeError, OSError, ValueError):
            continue
    return _COLUMNS


def room() -> int:
    """The columns that a field's text has. The last one stays free: below a full line, some leave one empty."""
    return max(_LABEL, columns() - 1 - _LABEL)


def fields(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines of names and texts. What would go on in the next line does so below its text.

    So nothing in a text ever stands where a field's name does.
    """
    width = room()
    for name, text in found:
        label = f"{name}:" if name else ""
        for number, piece in enumerate(folded(text, width)):
            yield f"{'' if number else label:{_LABEL}}{piece.removeprefix(' ') if number else piece}"


def command(words: Sequence[str]) -> list[str]:
    """A command in lines that have room as a field's text, and that a shell reads as one."""
    width = room()
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines


def show(lines: Iterable[str]) -> None:
    """Print the result for people. At a terminal no line begins but where one of these does: what is too long hangs."""
    print("\n".join(_hanging(lines, sys.stdout)))


def _hanging(lines: Iterable[str], stream: TextIO | None) -> Iterator[str]:
    if stream is None or not stream.isatty():
        # What reads it takes a row for a line.
        yield from lines
        return
    width = max(_LABEL, columns() - 1)
    for line in lines:
        first, *others = folded(line, width)
        yield first
        indent = " " * min(len(line) - len(line.lstrip()) + _HANG, width // 2)
        for piece in folded("".join(others).removeprefix(" "), width - len(indent)) if others else ():
            yield f"{indent}{piece.removeprefix(' ')}"


def short(seconds: float) -> str:
    """``3d4h``, ``23h``, ``5m`` or ``12s``, about as kubectl does."""
    left = max(0, int(seconds))
    for place, (unit, size) in enumerate(_UNITS):
        if left >= size * (2 if unit != "m" else 1):
            whole, rest = divmod(left, size)
            if whole < 10 and place + 1 < len(_UNITS):
                smaller, per = _UNITS[place + 1]
                if rest // per:
                    return f"{whole}{unit}{rest // per}{smaller}"
            return f"{whole}{unit}"
    return f"{left}s"


def interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def tell(lines: Sequence[str]) -> None:
    """Show lines beside the result: on standard error, which nobody pipes on."""
    print("\n".join(_hanging(lines, sys.stderr)), file=sys.stderr)


def ask(question: str) -> str:
    """Ask the person at the terminal; give the answer without spaces around it. Raises Problem at the end of input."""
    print(f"{question} ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise Problem("no answer: nothing was changed")
    return line.strip()
