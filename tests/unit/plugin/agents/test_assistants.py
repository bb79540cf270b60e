"""Whom a command is taken for: by its environment, by real processes above it, and by lists that people add."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localstack.own_terminal import run_orphaned
from seconder.plugin.agents import assistants
from seconder.plugin.agents.assistants import Assistant, Detection, Program, Variable, detect
from seconder.plugin.agents.processes import Process, Unreadable, ancestors
from seconder.plugin.terminal.problem import Problem

_KNOWN = assistants.read(Path(assistants.__file__).with_name("assistants.yaml"))
_LIST = Path(__file__).parents[4] / "docs/assistants.md"
_SCRIPT = f"""
import subprocess, sys
sys.exit(subprocess.run([{sys.executable!r}, *sys.argv[1:]]).returncode)
"""
_LOOK = "from seconder.plugin.agents.assistants import detect_here; print(detect_here())"
_CLEAN = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def _process(*arguments: str, executable: str = "") -> Process:
    return Process(7, executable, arguments)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"CLAUDECODE": "1"}, "Claude Code"),
        ({"GEMINI_CLI": "1"}, "Gemini CLI"),
        ({"CODEX_THREAD_ID": "019d"}, "Codex"),
        ({"CODEX_SANDBOX": "seatbelt"}, "Codex"),
        ({"CURSOR_AGENT": "1"}, "Cursor"),
        ({"GOOSE_TERMINAL": "1"}, "Goose"),
        ({"AGENT": "goose"}, "Goose"),
        ({"AGENT": "amp"}, "Amp"),
        ({"OPENCODE": "1"}, "opencode"),
        ({"AI_AGENT": "something-new"}, "An assistant that sets AI_AGENT"),
    ],
)
def test_an_assistant_is_known_by_its_environment(environment: dict[str, str], name: str) -> None:
    """By the very variables that its documentation promises."""
    found = detect(environment, [], _KNOWN)
    assert found is not None
    assert found.assistant == name
    assert next(iter(environment)) in found.why


@pytest.mark.parametrize(
    "environment",
    [{}, {"CLAUDECODE": ""}, {"CLAUDECODE": "0"}, {"XCLAUDECODE": "1"}, {"AGENT": "smith"}, {"CODEX_HOME": "/x"}],
)
def test_what_is_only_alike_is_no_evidence(environment: dict[str, str]) -> None:
    """Names and values are compared whole."""
    assert detect(environment, [], _KNOWN) is None


@pytest.mark.parametrize(
    "process",
    [
        _process("/opt/x/claude"),
        _process("claude", executable="/opt/claude/versions/2.0.1"),
        _process("x", executable="/usr/local/bin/claude"),
        _process("node", "--no-warnings", "/usr/local/bin/gemini", executable="/usr/bin/node"),
        _process("/usr/bin/python3.12", "/opt/x/bin/aider", "--model=x"),
        _process("python", "-m", "aider.main"),
        _process("/bin/bash", "-e", "/usr/local/bin/codex"),
        _process("-claude"),
        _process("/usr/local/bin/holmes", "ask", "why"),
        _process("k8sgpt", "serve", "--mcp"),
        _process("kubectl-ai", "--mcp-server"),
        _process("kubernetes-mcp-server", "--read-only"),
        _process("node", "/opt/x/_npx/1/node_modules/.bin/mcp-server-kubernetes"),
        _process("python3.12", "-m", "kubectl_mcp_tool.server"),
        _process("/opt/MCP/mcp"),
    ],
)
def test_an_assistant_is_known_by_the_process_above(process: Process) -> None:
    """By its executable, by argv[0], or by the script that an interpreter runs."""
    found = detect({}, [_process("bash"), process], _KNOWN)
    assert found is not None
    assert f"process {process.pid}" in found.why


@pytest.mark.parametrize(
    "process",
    [
        _process("vim", "claude"),
        _process("cat", "/usr/local/bin/claude"),
        _process("claude-notes"),
        _process("mcphee"),
        _process("/opt/mcp/bin/bash"),
        _process("code", "--mcp"),
        _process("claude.txt"),
        _process("bash", "-c", "claude"),
        _process("bash", "-lc", "claude"),
        _process("python3", "script.py", "aider"),
        _process("node", "/opt/claude/server.js"),
        _process(),
    ],
)
def test_a_process_that_only_mentions_one_is_none(process: Process) -> None:
    """No part of a name, no other argument and no folder counts."""
    assert detect({}, [process], _KNOWN) is None


def test_the_nearest_process_is_told() -> None:
    """An assistant that another one started is the one to name."""
    near, far = Process(2, "/bin/aider", ()), Process(1, "/bin/claude", ())
    assert detect({}, [near, far], _KNOWN) == Detection("Aider", "it runs below process 2, aider")


def test_a_session_id_is_not_shown() -> None:
    """Where any value counts, the value is nobody else's business."""
    found = detect({"CODEX_THREAD_ID": "s3cret"}, [], _KNOWN)
    assert found is not None
    assert "s3cret" not in found.why


def test_a_real_script_named_like_an_assistant_is_recognised(tmp_path: Path) -> None:
    """In a real process tree, two levels up, with nothing in the environment."""
    script = tmp_path / "aider"
    script.write_text(_SCRIPT)
    done = run_orphaned([sys.executable, script, "-c", f"import subprocess; {_nested()}"], _CLEAN, tmp_path)
    assert re.search(r"assistant='Aider', why='it runs below process \d+, aider'", done.stdout), done
    other = tmp_path / "aided"
    other.write_text(_SCRIPT)
    done = run_orphaned([sys.executable, other, "-c", f"import subprocess; {_nested()}"], _CLEAN, tmp_path)
    assert done.stdout.strip() == "None", done


def test_a_real_executable_and_a_real_argv0_are_recognised(tmp_path: Path) -> None:
    """A program that was copied, and one that calls itself so."""
    shell = tmp_path / "claude"
    shutil.copy("/bin/sh", shell)
    command = f"{sys.executable} -c '{_LOOK}'; exit $?"
    assert "Claude Code" in run_orphaned([shell, "-c", command], _CLEAN, tmp_path).stdout
    renamed = ["bash", "-c", f"exec -a codex /bin/sh -c \"{sys.executable} -c '{_LOOK}'; exit\""]
    assert "Codex" in run_orphaned(renamed, _CLEAN, tmp_path).stdout


def test_an_executable_replaced_while_it_runs_is_recognised(tmp_path: Path) -> None:
    """Assistants update themselves; Linux marks the old file as deleted."""
    shell = tmp_path / "claude"
    shutil.copy("/bin/sh", shell)
    command = f"rm {shell}; {sys.executable} -c '{_LOOK}'; exit $?"
    done = run_orphaned(["bash", "-c", f'exec -a sh {shell} -c "$0"', command], _CLEAN, tmp_path)
    assert "Claude Code" in done.stdout, done


def test_the_ancestors_are_those_that_ps_tells() -> None:
    """Nearest first, up to the first process; those of a child begin with this process and its arguments."""
    child = subprocess.Popen(["sleep", "60"])
    try:
        told = ancestors(child.pid)
        assert [process.pid for process in told] == _parents_by_ps(child.pid)
        assert told[0].pid == os.getpid()
        assert told[0].executable == str(Path(sys.executable).resolve())
        assert list(told[0].arguments) == sys.orig_argv
    finally:
        child.kill()
        child.wait()


def test_a_process_that_is_not_there_has_no_ancestors_to_tell() -> None:
    """Not an empty list, which would be a person's."""
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(Unreadable, match="NoSuchProcess"):
        ancestors(child.pid)


def test_processes_that_cannot_be_read_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without evidence one is not taken for a person where nothing could be looked at; with it, one is an agent."""

    def unreadable() -> list[Process]:
        raise Unreadable("ps is not there")

    monkeypatch.setattr(assistants, "ancestors", unreadable)
    for assistant in _KNOWN:
        for variable in assistant.environment:
            monkeypatch.delenv(variable.name, raising=False)
    with pytest.raises(Problem, match="ps is not there"):
        assistants.detect_here()
    monkeypatch.setenv("CLAUDECODE", "1")
    assert assistants.detect_here() is not None


def test_an_added_list_adds_and_never_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By flag or by variable; the built-in ones stay."""
    added = tmp_path / "ours.yaml"
    added.write_text("[{name: Ours, environment: [{name: OUR_BOT, value: '*'}], processes: [{name: claude}]}]")
    monkeypatch.setenv("OUR_BOT", "1")
    monkeypatch.delenv("CLAUDECODE", raising=False)
    for extra, variable in ((added, ""), (None, str(added))):
        monkeypatch.setenv(assistants.EXTRA, variable)
        monkeypatch.delenv("CLAUDECODE", raising=False)
        found = assistants.detect_here(extra)
        assert found is not None
        monkeypatch.setenv("CLAUDECODE", "1")
        still = assistants.detect_here(extra)
        assert still is not None
        assert still.assistant == "Claude Code"


@pytest.mark.parametrize(
    "content",
    [
        "", "{}", "[1]", "[{name: x}]", "[{name: '', processes: [{name: a}]}]", "[{nam: x, processes: [{name: a}]}]",
        "[{name: x, processes: [{name: bin/a}]}]", "[{name: x, environment: [{name: A B, value: '1'}]}]",
        "[{name: x, environment: [{name: A, value: 1}]}]", "[{name: x, environment: [{name: A, value: ''}]}]",
        "[", "\x00", "!!python/object:os.system {}", "[" * 5000, "a: &a [*a]", " " * 300_000,
    ],
)  # fmt: skip
def test_a_bad_list_is_told_in_one_line(content: str, tmp_path: Path) -> None:
    """A list that is not understood is never half used."""
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(Problem, match=r"list of assistants \S+bad.yaml") as told:
        assistants.detect_here(file)
    assert "\n" not in str(told.value)


def test_a_list_that_is_not_there_is_told() -> None:
    """Not passed over."""
    with pytest.raises(Problem, match="No such file"):
        assistants.detect_here(Path("/nonexistent/list.yaml"))


def test_every_mark_cites_public_documentation() -> None:
    """An https page for each variable and each program."""
    for assistant in _KNOWN:
        marks: tuple[Variable | Program, ...] = (*assistant.environment, *assistant.processes)
        for mark in marks:
            assert re.match(r"https://[a-z0-9.-]+/\S+$", mark.documentation), (assistant.name, mark.name)


def test_the_documentation_lists_every_assistant() -> None:
    """docs/assistants.md shows the list as it is, mark by mark."""
    rows = [_row(assistant) for assistant in _KNOWN]
    shown = [line for line in _LIST.read_text().splitlines() if line.startswith("| ") and "[source](" in line]
    assert shown == rows, "\n".join(rows)


def _row(assistant: Assistant) -> str:
    variables = [
        f"`{each.name}`{'' if each.value == assistants.ANY else f'=`{each.value}`'} [source]({each.documentation})"
        for each in assistant.environment
    ]
    programs = [f"`{each.name}` [source]({each.documentation})" for each in assistant.processes]
    programs += [
        f"any with the word `{each.name}` in its name [source]({each.documentation})" for each in assistant.words
    ]
    return f"| {assistant.name} | {', '.join(variables) or '-'} | {', '.join(programs) or '-'} |"


def _parents_by_ps(pid: int) -> list[int]:
    """The same by another program: ps, which reads the system by itself."""
    shown = subprocess.run(["ps", "-ax", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parent = {int(line.split()[0]): int(line.split()[1]) for line in shown.splitlines()}
    parents: list[int] = []
    while pid := parent.get(pid, 0):
        parents.append(pid)
    return parents


def _nested() -> str:
    return f"subprocess.run([{sys.executable!r}, '-c', {_LOOK!r}])"
