"""An object's diff shows each value for what it is."""

import os
from typing import Any

import pytest
import yaml

from seconder.admission.changes import differences
from seconder.api.text import folded
from seconder.plugin.approving import exact_text
from seconder.plugin.approving.changes import Wanted

_FORGED = f"x{' ' * 61}-  mode: delete{' ' * 64}+  mode: keep"


def _shown(value: Any) -> list[str]:
    return exact_text.lines({"data": {"note": value}})[1:]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("nginx:1.27", "  note: nginx:1.27"),
        ("sleep 3600", "  note: sleep 3600"),
        ("yes", '  note: "yes"'),
        ("1.0", '  note: "1.0"'),
        (1, "  note: 1"),
        (None, "  note: null"),
        ({}, "  note: {}"),
        ("a: b", '  note: "a: b"'),
        ("a #b", '  note: "a #b"'),
        ("a  b", r'  note: "a\ \ b"'),
        ("a\\ b ", r'  note: "a\\ b "'),
        ("\u00e9\u2800\x7f\u202e", r'  note: "\u00e9\u2800\u007f\u202e"'),
    ],
)
def test_a_value_is_shown_exactly(value: Any, shown: str) -> None:
    """As YAML, with whatever does not show made visible."""
    assert _shown(value) == [shown]
    assert yaml.safe_load(shown) == {"note": value}


def test_a_number_is_shown_as_it_is_written() -> None:
    """Digests are over that."""
    read = differences.exact.decode(b'{"a":1.50,"b":1e400,"c":18446744073709551616}')
    assert exact_text.lines(read)[:2] == ["a: 1.50", "b: 1e400"]


def test_each_line_of_a_text_is_a_piece_in_quotes() -> None:
    """None of them can be read as a key, and a difference in one is a difference of one."""
    shown = _shown("a: 1\n  b: 2\nmode: keep\n")
    assert shown == ["  note:", r'    "a: 1\n"', r'    "  b: 2\n"', r'    "mode: keep\n"']


@pytest.mark.parametrize("value", [_FORGED, _FORGED.replace(" ", "\n"), "a " * 3000 + "mode: keep", "x" * 500])
@pytest.mark.parametrize("columns", [30, 68, 200])
def test_no_value_draws_a_line_of_the_diff(value: str, columns: int) -> None:
    """At no width: what continues a line has a bar in front."""
    before = {"data": {"mode": "keep", "note": "y"}}
    wanted = Wanted(None, before, {"data": {"mode": "delete", "note": value}})
    lines = list(wanted.diff(columns))
    assert all(len(line) <= columns for line in lines)
    assert [line for line in lines if line.lstrip("+- ").startswith("mode:")] == ["-  mode: keep", "+  mode: delete"]
    assert all("  " not in line.lstrip("+-| ") for line in lines)
    whole = "".join(line[1:] if line.startswith("|") else f"{os.linesep}{line}" for line in lines)
    assert value.split()[0] in whole
    assert "".join(folded(value, columns)) == value


def test_a_list_and_what_is_in_it_stand_as_kubectl_shows_them() -> None:
    """So that a diff is read at once."""
    document = {"spec": {"containers": [{"name": "a", "args": ["--x=1", "b"]}, {"name": "c"}], "empty": []}}
    shown = exact_text.lines(document)
    assert yaml.safe_load("\n".join(shown)) == document
    assert shown[:4] == ["spec:", "  containers:", "  - name: a", "    args:"]
