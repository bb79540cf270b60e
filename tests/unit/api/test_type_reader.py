"""Types are known before threads read them: msgspec ends the process where two find out at once."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parents[3] / "controller" / "seconder"
_MAKERS = {"TypeReader", "Decoder"}

_PROGRAM = """
import sys, threading
import msgspec
from seconder.api.type_reader import TypeReader

sys.setswitchinterval(1e-6)
for _ in range(200):
    class Inner(msgspec.Struct):
        count: "int"
        names: "list[dict[str, int]] | None" = None
    class Outer(msgspec.Struct):
        inner: Inner
        sizes: "dict[str, list[int]]"
    reader = TypeReader(Outer)
    together = threading.Barrier(4)
    def read():
        together.wait()
        reader.convert({"inner": {"count": 1}, "sizes": {"a": [1]}})
        reader.decode(b'{"inner":{"count":1},"sizes":{"a":[1]}}')
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


@pytest.mark.long
def test_threads_that_read_a_type_for_the_first_time_at_once() -> None:
    """By ``msgspec.convert`` alone this ends by SIGSEGV, in its first rounds."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", sorted(_SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(_SOURCES)))
def test_what_reads_a_type_is_made_when_its_module_is_imported(path: Path) -> None:
    """Nothing tells msgspec of a type while threads run."""
    wrong = [] if path.name == "type_reader.py" else list(_late(ast.parse(path.read_text())))
    assert not wrong, f"make a seconder.api.type_reader.TypeReader at the top of the module for lines {wrong}"


def test_what_reads_a_type_late_is_found() -> None:
    """In each of the ways there are."""
    late = (
        "msgspec.convert(x, T)",
        "msgspec.json.decode(x, type=T)",
        "def f():\n    return msgspec.json.Decoder(T)",
        "async def f():\n    return TypeReader(T)",
        "lambda: TypeReader(T)",
        "from msgspec import convert",
    )
    assert all(list(_late(ast.parse(text))) for text in late)
    assert not list(_late(ast.parse("x = TypeReader(T)\ny = msgspec.json.Decoder(T)\nz = msgspec.json.decode(t)")))


def _late(tree: ast.AST) -> Iterator[int]:
    """The lines on which msgspec may meet a type for the first time after import."""
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("msgspec"):
            if {alias.name for alias in node.names} & {"convert", "decode"}:
                yield node.lineno
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of_type = any(keyword.arg == "type" for keyword in node.keywords)
            made = name in _MAKERS and id(node) in inside
            if made or (name == "decode" and of_type) or ast.unparse(node.func) == "msgspec.convert":
                yield node.lineno
