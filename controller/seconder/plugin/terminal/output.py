"""What people and programs read: tables, times as kubectl shortens them, JSON and YAML; and a question to them."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from seconder.api.resources import Target
from seconder.plugin.terminal.problem import Problem

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60))


def add_format(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add ``-o``."""
    parser.add_argument("-o", "--output", choices=("json", "yaml", *more), help="left out: for people")


def dump(value: Any, form: str) -> str:
    """The text as JSON or YAML, without a newline at its end."""
    if form == "json":
        return json.dumps(value, indent=4)
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False, width=4096)).rstrip("\n")


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
    print("\n".join(lines), file=sys.stderr)


def ask(question: str) -> str:
    """Ask the person at the terminal; give the answer without spaces around it. Raises Problem at the end of input."""
    print(f"{question} ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise Problem("no answer: nothing was changed")
    return line.strip()
