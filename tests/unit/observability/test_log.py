"""The log on real pipes, terminals and sockets: nobody waits for its reader, no line is torn, losses are told."""

import asyncio
import fcntl
import json
import logging
import os
import pty
import select
import socket
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.cluster import eventually

from seconder.observability import log
from seconder.observability.log import Output

_MOST: Final = 256 * 1024
_TURN: Final = 0.005
"""Seconds that a turn of the loop may take, however many lines it logs."""


class Pipe:
    """Two ends, of a pipe if nothing else is given, and the outputs that write to it."""

    def __init__(self, *ends: int) -> None:
        self.read, self.write = ends or os.pipe()
        self._outputs: list[Output] = []

    def output(self, most_bytes: int = log.MOST_BYTES) -> Output:
        """Make an output that writes to it."""
        self._outputs.append(Output(self.write, most_bytes))
        return self._outputs[-1]

    def lines(self) -> list[dict[str, Any]]:
        """Read to the end, in which nobody else may be able to write any more; each line must be whole."""
        self.close_write()
        with os.fdopen(os.dup(self.read), "rb") as file:
            return [json.loads(line) for line in file]

    def close_read(self) -> None:
        """Stop reading, for good."""
        if self.read >= 0:
            os.close(self.read)
        self.read = -1

    def close_write(self) -> None:
        """Let go of the end where one writes; the outputs must be done with it, or the reader gone."""
        for output in self._outputs:
            output.close(5)
            assert not output._writing
            if output._at_once not in {None, self.write}:
                os.close(output._at_once or 0)
        self._outputs.clear()
        if self.write >= 0:
            os.close(self.write)
        self.write = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe."""
    made = Pipe()
    yield made
    made.close_read()
    made.close_write()


def _line(number: int, size: int = 600) -> bytes:
    return json.dumps({"number": number, "pad": "x" * size}).encode()


def _read_until(descriptor: int, number: int) -> list[dict[str, Any]]:
    """Read lines until one has this number; each must be whole."""
    content = b""
    while b'"number": %d,' % number not in content or not content.endswith(b"\n"):
        assert select.select([descriptor], [], [], 10)[0], "nothing comes"
        content += os.read(descriptor, 65536)
    return [json.loads(line) for line in content.splitlines()]


def _in_hand(pipe: Pipe, output: Output, lines: Sequence[bytes]) -> int:
    """How many bytes of these lines are neither in the pipe nor queued any more."""
    there = int.from_bytes(fcntl.ioctl(pipe.read, termios.FIONREAD, bytes(4)), sys.byteorder)
    return sum(len(line) + 1 for line in lines) - there - output._bytes


def _log_in_turns(pipe: Pipe, output: Output, turns: int, lines: int, first: int = 0) -> list[float]:
    """Put so many lines in each of so many turns of a loop; give how long the turns took, the shortest first.

    Nobody reads meanwhile. A loop that waits for that all the same is freed after a while, by a reader who goes away.
    """
    release = threading.Timer(10, pipe.close_read)
    release.start()
    try:
        return asyncio.run(_turns(output, turns, lines, first))
    finally:
        release.cancel()
        release.join()


async def _turns(output: Output, turns: int, lines: int, first: int) -> list[float]:
    taken = []
    for turn in range(turns):
        started = time.perf_counter()
        for number in range(lines):
            output.put(_line(first + turn * lines + number))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        taken.append(time.perf_counter() - started)
    return sorted(taken)


def _check_quick(turns: list[float]) -> None:
    # A busy machine takes a process off its core for longer than that, but not at every second turn.
    assert turns[len(turns) // 2] < _TURN
    # The reader stays away for ten seconds.
    assert turns[-1] < 5


def test_a_reader_that_stops_holds_up_no_turn_of_the_loop(pipe: Pipe) -> None:
    """Ten times what is queued; who reads on finds whole lines in their order, then how many are missing."""
    output = pipe.output(_MOST)
    filling = [_line(number) for number in range(160)]
    for line in filling:
        output.put(line)
    # Where its thread came only later, it would make room for a few lines behind the first that are lost.
    eventually(lambda: _in_hand(pipe, output, filling), 10, "its thread has a piece in hand, and no room to put it")
    turns = 10 * _MOST // 600 // 4
    _check_quick(_log_in_turns(pipe, output, turns, 4, first=len(filling)))
    written = len(filling) + turns * 4
    assert written - output.lost < 2 * _MOST // 600
    lost = output.lost
    kept = _read_until(pipe.read, written - lost - 1)
    assert [line["number"] for line in kept] == list(range(written - lost))
    output.close(5)
    output.put(_line(written))
    (told,) = _read_until(pipe.read, written)
    assert told["lines_lost"] == lost
    output.put(_line(written + 1))
    (after,) = _read_until(pipe.read, written + 1)
    assert "lines_lost" not in after
    assert output.lost == lost


def test_a_reader_that_is_slow_loses_nothing_that_fits(pipe: Pipe) -> None:
    """What a pipe does not take at once comes later, in its order, from the loop and from a thread without one."""
    output = pipe.output()
    _log_in_turns(pipe, output, 100, 2)
    for number in range(200, 400):
        output.put(_line(number))
    assert [line["number"] for line in _read_until(pipe.read, 399)] == list(range(400))
    assert output.lost == 0


def test_the_lines_of_a_turn_are_one_write(pipe: Pipe) -> None:
    """At its end, not within it."""
    output = pipe.output()
    os.set_blocking(pipe.read, False)

    async def turn() -> bytes:
        for number in range(3):
            output.put(_line(number))
        with pytest.raises(BlockingIOError):
            os.read(pipe.read, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return os.read(pipe.read, 65536)

    assert asyncio.run(turn()).count(b"\n") == 3


def test_a_line_put_without_a_loop_is_written_when_the_call_returns(pipe: Pipe) -> None:
    """As in the operator's threads."""
    os.set_blocking(pipe.read, False)
    pipe.output().put(b"{}")
    assert os.read(pipe.read, 100) == b"{}\n"


def test_threads_do_not_mix_their_lines(pipe: Pipe) -> None:
    """Each one's in its order, whoever writes them."""
    output = pipe.output()

    def put(first: int) -> None:
        for number in range(500):
            output.put(_line(first + number, size=number % 50))

    threads = [threading.Thread(target=put, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    content = b""
    while content.count(b"\n") < 2000:
        assert select.select([pipe.read], [], [], 10)[0], "nothing comes"
        content += os.read(pipe.read, 65536)
    for thread in threads:
        thread.join()
    numbers = [json.loads(line)["number"] for line in content.splitlines()]
    for first in range(0, 4000, 1000):
        mine = [number for number in numbers if first <= number < first + 1000]
        assert mine == list(range(first, first + 500))


def test_what_others_share_stays_as_it_was(pipe: Pipe) -> None:
    """O_NONBLOCK on standard output would be everybody's who has it."""
    output = pipe.output()
    before = fcntl.fcntl(pipe.write, fcntl.F_GETFL)
    _log_in_turns(pipe, output, 200, 2)
    assert fcntl.fcntl(pipe.write, fcntl.F_GETFL) == before
    assert os.get_blocking(pipe.write)


def test_two_processes_with_one_pipe_tear_no_line(pipe: Pipe) -> None:
    """Each write is done as a whole, also while the pipe is full most of the time."""
    code = f"""
import sys
from {log.__name__} import Output
output = Output({pipe.write})
for number in range(1000):
    output.put(b'{{"from": %d, "pad": "%b"}}' % (int(sys.argv[1]), b"x" * 900))
output.close(30)
"""
    command = [sys.executable, "-c", code]
    programs = [subprocess.Popen([*command, str(number)], pass_fds=[pipe.write]) for number in range(2)]
    found = [line["from"] for line in pipe.lines()]
    assert [program.wait() for program in programs] == [0, 0]
    assert sorted(found) == [0] * 1000 + [1] * 1000


@pytest.mark.parametrize("kind", ["terminal", "socket", "pipe that was given with O_NONBLOCK"])
def test_what_cannot_be_written_without_waiting_is_left_to_a_thread(kind: str) -> None:
    """A terminal, a socket: the loop does not wait for their readers either, and all is read in the end."""
    if kind == "terminal":
        pipe = Pipe(*pty.openpty())
        # Without its translation of line ends.
        tty.setraw(pipe.write)
    elif kind == "socket":
        pipe = Pipe(*(end.detach() for end in socket.socketpair()))
    else:
        pipe = Pipe()
        os.set_blocking(pipe.write, False)
    output = pipe.output()
    if kind.startswith("pipe"):
        # As where there is no /proc.
        os.close(output._at_once or 0)
        output._at_once = None
    _check_quick(_log_in_turns(pipe, output, 300, 2))
    assert [line["number"] for line in _read_until(pipe.read, 599)] == list(range(600))
    pipe.close_write()
    pipe.close_read()


def test_a_file_is_written_at_once(tmp_path: Path) -> None:
    """Where it ends, so that the same file may take standard error too."""
    with (tmp_path / "log").open("ab") as file:
        file.write(b"before\n")
        file.flush()
        Output(file.fileno()).put(b"{}")
    assert (tmp_path / "log").read_bytes() == b"before\n{}\n"


def test_a_reader_that_is_gone_loses_lines_and_nothing_else(pipe: Pipe) -> None:
    """Each is counted once."""
    output = pipe.output()
    pipe.close_read()
    for number in range(100):
        output.put(_line(number))
    _log_in_turns(pipe, output, 10, 10)
    output.close(5)
    assert output.lost == 200


def test_what_is_lost_can_be_scraped() -> None:
    """As the metric of a program whose standard output's reader has gone."""
    code = f"""
import sys
from {log.__package__} import log, metrics
for _ in range(7):
    log.info("x")
sys.stderr.write(str(metrics.registry().get_sample_value("seconder_log_lines_dropped_total")))
"""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, check=True)
    os.close(write)
    assert done.stderr == b"7"


def test_without_a_standard_output_lines_are_lost_and_counted() -> None:
    """Closed before the program began; its number may be another file's by now."""
    code = f"from {log.__package__} import log; log.info('x'); log._OUTPUT.close(5); assert log.lost() == 1"
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, code], check=False)
    assert done.returncode == 0


_LAST_LINES: Final = f"""
import asyncio
from {log.__package__} import log
async def main():
    for number in range(300):
        log.info("x" * 1000, number=number)
asyncio.run(main())
log.info("last")
"""


def test_what_is_queued_when_the_process_ends_is_still_written(pipe: Pipe) -> None:
    """For a reader who is behind."""
    with subprocess.Popen([sys.executable, "-c", _LAST_LINES], stdout=pipe.write) as program:
        time.sleep(0.3)
        lines = pipe.lines()
    assert program.returncode == 0
    assert [line.get("number") for line in lines] == [*range(300), None]


def test_a_process_ends_although_nobody_reads(pipe: Pipe) -> None:
    """Soon, and with no line torn."""
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", _LAST_LINES], stdout=pipe.write) as program:
        try:
            assert program.wait(timeout=20) == 0
        finally:
            program.kill()
    assert 1 <= time.monotonic() - started < 10
    lines = pipe.lines()
    assert [line["number"] for line in lines] == list(range(len(lines)))
    assert len(lines) >= 48


@pytest.mark.parametrize("lines", [0, 3])
def test_a_process_with_nothing_left_to_write_ends_at_once(lines: int) -> None:
    """Whatever its standard output is: here what a thread writes to."""
    code = f"""
import time
from {log.__package__} import log
for _ in range({lines}):
    log.info("x")
time.sleep(0.1)
started = time.monotonic()
log._OUTPUT.close(5)
assert time.monotonic() - started < 1
"""
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)


class _Decision(log.Line, kw_only=True, frozen=True, gc=False):
    reason: str
    policies: tuple[str, ...] = ()


def test_a_decision_is_encoded_as_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Time, level and message first, then its own fields."""
    log.decision(_Decision(message="decision", reason="Approved", policies=("default",)))
    (line,) = capfd.readouterr().out.splitlines()
    assert list(json.loads(line)) == ["time", "level", "message", "reason", "policies"]
    log.info("decision", reason="Approved", policies=["default"])
    (plain,) = capfd.readouterr().out.splitlines()
    assert json.loads(plain) | {"time": ""} == json.loads(line) | {"time": ""}


def test_what_libraries_log_is_a_line_too(capfd: pytest.CaptureFixture[str]) -> None:
    """With its level and the logger's name."""
    record = logging.LogRecord("kopf.x", logging.WARNING, "", 0, "a %s", ("b",), None)
    log.Handler().handle(record)
    (line,) = capfd.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["level"], found["message"], found["logger"]) == ("warning", "a b", "kopf.x")


def _told(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def _failed(name: str, error: Exception) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.ERROR, "", 0, "Exception in ASGI application\n", (), trace)


def test_what_libraries_fail_at_is_one_line_with_its_trace(capfd: pytest.CaptureFixture[str]) -> None:
    """Not the forty that Python would write."""
    log.Handler().handle(_failed("uvicorn.error", RuntimeError("broken \udcff")))
    (line,) = _told(capfd)
    assert (line["message"], line["error"]) == ("Exception in ASGI application", "RuntimeError: broken ?")
    assert line["trace"].endswith("RuntimeError: broken ?\n")


def test_no_library_is_heard_more_often_than_once_a_second(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has it log could push decisions out of what is kept of the log. Others are heard meanwhile."""
    passed = 100.0
    monkeypatch.setattr(log.time, "monotonic", lambda: passed)  # type: ignore[attr-defined]
    handler, before = log.Handler(), log.left_out()
    for name in ("uvicorn.error", "uvicorn.error", "uvicorn.error", "kopf.x"):
        handler.handle(logging.LogRecord(name, logging.WARNING, "", 0, "short", (), None))
    passed += 1.0
    handler.handle(_failed("uvicorn.error", RuntimeError("x" * 25_600)))
    passed += 1.0
    handler.handle(_failed("uvicorn.error", RuntimeError("again")))
    passed += 200.0
    handler.handle(_failed("uvicorn.error", RuntimeError("again")))
    assert [(line["logger"], line.get("left_out", 0)) for line in _told(capfd)] == [
        ("uvicorn.error", 0),
        ("kopf.x", 0),
        ("uvicorn.error", 2),
        ("uvicorn.error", 1),
    ]
    assert log.left_out() - before == 3


def test_what_a_library_writes_wrongly_is_logged_as_it_stands(capfd: pytest.CaptureFixture[str]) -> None:
    """And ends nothing."""
    log.Handler().handle(logging.LogRecord("some.library", logging.ERROR, "", 0, "%d left", ("x",), None))
    assert [line["message"] for line in _told(capfd)] == ["%d left"]


def test_nothing_that_a_library_logs_goes_to_standard_error() -> None:
    """In all three programs; what is no warning is left out."""
    code = """
import logging, seconder.__main__ as main
def run():
    logging.getLogger("some.library").info("a word")
    logging.getLogger("some.library").error("a failure", exc_info=ValueError("x"))
    return 0
main.main = run
main.program()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["message"], line["error"], done.stderr) == ("a failure", "ValueError: x", "")
