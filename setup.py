"""Builds the package: of Python alone, or, where ``SECONDER_COMPILED`` is 1, with what reviews run through compiled.

The modules stand in pyproject.toml. Why Cython compiles them: docs/adr/0027-what-reviews-run-through-is-compiled.md.
"""

import os
import tomllib
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent
CORES = os.cpu_count() or 1
FLAGS = ["-O2", "-g0"]
"""Debugging information would be most of a module. Tracebacks name Python's lines without it."""


def extensions() -> list[Extension]:
    """The modules to compile, in C. Nothing about them is declared: they mean what they mean as Python."""
    from Cython.Build import cythonize

    names = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["seconder"]["compiled"]
    modules = [
        Extension(f"seconder.{name}", [f"controller/seconder/{name.replace('.', '/')}.py"], extra_compile_args=FLAGS)
        for name in names
    ]
    # Annotations are for people and mypy. Taken for C's types, an int would overflow.
    directives = {"language_level": "3", "annotation_typing": False}
    return cythonize(modules, build_dir="build/cython", compiler_directives=directives, nthreads=CORES)


setup(
    ext_modules=extensions() if os.environ.get("SECONDER_COMPILED") == "1" else [],
    options={"build_ext": {"parallel": CORES}},
)
