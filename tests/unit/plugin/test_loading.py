"""What a command does not need, it does not load: kubectl starts the plugin anew for each."""

import subprocess
import sys
from pathlib import Path

import pytest

from seconder.plugin import main
from seconder.plugin.agents import agent_credentials

_RARE = {"filelock", "jinja2", "psutil"}
"""What only some commands need, or only at times; the quickest takes 10 ms to load."""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["agent-token", "--help"], ["pending", "--help"], ["report", "--help"]]
)
def test_help_loads_no_library_that_is_rarely_needed(arguments: list[str]) -> None:
    """Nor does any other command that ends before it needs one."""
    command = [sys.executable, "-X", "importtime", "-m", main.__name__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "argparse" in loaded
    assert not loaded & _RARE


def test_a_token_with_life_left_is_given_without_a_lock(tmp_path: Path) -> None:
    """Of all commands this one runs most often, once for each kubectl of an agent's."""
    code = f"""
import sys, time
from pathlib import Path
from {agent_credentials.__package__} import agent_credentials
now = time.time()
path = Path({str(tmp_path / "state")!r})
state = agent_credentials.State("https://h", "", "ns", "kiro", now + 9e4, 3600, "token", now + 3600, 3600)
agent_credentials.write(path, state)
assert agent_credentials.current(path, now) == state
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & _RARE
