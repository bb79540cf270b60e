"""Builds the pinned binaries with Go, showing how far it is."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, TextIO

from localstack.errors import StackError
from localstack.pins import Binary, Module
from localstack.process import Child, tail_of
from localstack.progress import ProgressLine, duration_text, progress_text
from localstack.toolchain import go_environment

_TICK_SECONDS: Final = 0.5
_STALE: Final = "to compile: "
_SCRATCH_PREFIX: Final = ".build-"


def build(go: Path, wanted: Sequence[tuple[Module, Sequence[Binary]]], cache: Path, stream: TextIO) -> None:
    """Build programs of modules, and move each into its module's folder in ``cache`` when it is complete.

    The programs of one module are built together, which keeps all cores busy while one of them is linked. Logs are
    left in ``cache``. The caller holds the cache's lock.
    Raises ``StackError`` with the end of the log when Go fails.
    """
    with _scratch_folder(cache) as scratch, ExitStack() as running:
        # Every job's downloads begin now: those of the second go on while the first one compiles.
        jobs = [
            (module, running.enter_context(closing(_Job(go, module, programs, scratch, cache))))
            for module, programs in wanted
        ]
        for module, job in jobs:
            for binary, file in job.run(stream).items():
                (cache / module.key).mkdir(exist_ok=True)
                file.replace(cache / module.key / binary)


class _Job:
    """The build of some programs of one module; the download of what they need begins at once."""

    def __init__(self, go: Path, module: Module, programs: Sequence[Binary], scratch: Path, logs: Path) -> None:
        self._go: Final = go
        self._module: Final = module
        self._packages: Final = {binary: module.programs[binary] for binary in programs}
        self._output: Final = scratch / module.name
        self._temporary: Final = scratch / f"{module.name}-work"
        self._logs: Final = logs
        self._output.mkdir()
        self._temporary.mkdir()
        self._child = self._start("list", "-deps")

    def run(self, stream: TextIO) -> dict[Binary, Path]:
        """Finish the download, build, and give the finished file of each program."""
        title, line, started = self._module.title, ProgressLine(stream), time.monotonic()
        stream.write(f"Building {', '.join(self._packages)} ({title}), once:\n")

        def show_downloading() -> None:
            seconds = time.monotonic() - started
            fetched = sum(text.startswith("go: downloading") for text in self._output_lines())
            line.update(f"{title} {fetched} modules downloaded, {duration_text(seconds)}", seconds)

        def show_compiling() -> None:
            seconds = time.monotonic() - started
            done = len(stale.intersection(self._output_lines()))
            line.update(progress_text(title, done, len(stale), seconds), seconds)

        try:
            self._finish(show_downloading)
            # What is to compile is known only now: the job before has compiled some of it.
            self._child = self._start("list", "-deps", f"-f={{{{if .Stale}}}}{_STALE}{{{{.ImportPath}}}}{{{{end}}}}")
            self._finish(show_downloading)
            stale = {text.removeprefix(_STALE) for text in self._output_lines() if text.startswith(_STALE)}
            self._child = self._start("build", "-v", f"-o={self._output}{os.sep}")
            self._finish(show_compiling, stale)
        except BaseException:
            line.abandon()
            raise
        line.finish(f"{title} built in {duration_text(time.monotonic() - started)}")
        return {binary: self._output / program_name(package) for binary, package in self._packages.items()}

    def close(self) -> None:
        """End whatever Go is doing."""
        self._child.stop()

    def _start(self, command: str, *options: str) -> Child:
        return Child(
            f"go {command}",
            [self._go, command, *options, *self._module.flags, *self._packages.values()],
            self._logs / f"{self._module.name}-{command}.log",
            dies_with_parent=True,
            folder=self._module.folder,
            environment={**go_environment(os.environ), "GOTMPDIR": str(self._temporary)},
        )

    def _finish(self, on_tick: Callable[[], None], expected: Container[str] = ()) -> None:
        if self._child.wait(on_tick, _TICK_SECONDS) != 0:
            raise StackError(f"{self._module.title} cannot be built: {tail_of(self._child.log, expected)}")

    def _output_lines(self) -> list[str]:
        return self._child.log.read_text(errors="replace").splitlines()


def program_name(package: str) -> str:
    """The name under which Go writes a package's program: its last part that is no major version."""
    return next(part for part in reversed(package.split("/")) if not re.fullmatch(r"v\d+", part))


@contextmanager
def _scratch_folder(beside: Path) -> Iterator[Path]:
    for abandoned in beside.glob(f"{_SCRATCH_PREFIX}*"):  # of a build that was killed: we hold the lock
        shutil.rmtree(abandoned, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=beside, prefix=_SCRATCH_PREFIX))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
