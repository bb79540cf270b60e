"""Runs the commands of a document as a reader would: block after block, in one shell, in a checkout after ``make up``.

An HTML comment in front of a block of commands says how it is tested: ``executed``; ``executed: refused``, which must
fail with our denial; ``executed by FILE``, a test of its own; or ``not executed: REASON``. A block behind ``printed``
is what the commands before it print, with ``...`` for what differs. ``setup`` opens a comment with commands that
readers do not see.
"""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from localstack.stack import Stack

REPOSITORY: Final = Path(__file__).parents[2]
PAGES: Final = (
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "CHANGELOG.md",
    REPOSITORY / "SECURITY.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted((REPOSITORY / "manifests").rglob("*.md")),
    *sorted((REPOSITORY / "charts").rglob("*.md")),
)
_FENCE = re.compile(
    r"^<!-- setup\n(?P<setup>.*?)^-->\n"
    r"|(?:^ *<!-- (?P<mark>[^\n]*) -->\n)?^ *```(?P<kind>\w*)\n(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_END = "@@ end of block"
_COMMANDS = {"sh", "bash", "shell", "console"}
_SECONDS = 300
"""For all commands of a page. Some read all that the API server has logged since the tests began."""


@dataclass
class Block:
    """Commands as they stand in a document, how they are tested, and lines that they must print."""

    commands: str
    mark: str
    printed: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether they must fail, with our denial."""
        return self.mark == "executed: refused"


def blocks(page: Path) -> list[Block]:
    """Give every block of commands of a page, marked or not, and its setup."""
    found: list[Block] = []
    for each in _FENCE.finditer(page.read_text()):
        if each["setup"] is not None:
            found.append(Block(each["setup"], "setup"))
        elif each["mark"] == "printed":
            found[-1].printed = each["body"].splitlines()
        elif each["kind"] in _COMMANDS:
            found.append(Block(each["body"], each["mark"] or ""))
    return found


def executed(page: Path) -> list[Block]:
    """Give the blocks of a page that are executed one after the other."""
    return [block for block in blocks(page) if block.mark in {"setup", "executed", "executed: refused"}]


def checkout(stack: Stack, folder: Path) -> Path:
    """Make ``folder`` look like a checkout after ``make up``."""
    local = folder / ".local"
    local.mkdir()
    for each in stack.folder.iterdir():
        local.joinpath(each.name).symlink_to(each)
    for name in ("manifests", "charts"):
        folder.joinpath(name).symlink_to(REPOSITORY / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for program in ("kubectl-seconder", "kubectl_complete-seconder"):
        programs.joinpath(program).symlink_to(Path(sys.executable).with_name(program))
    return folder


def run(page: Path, folder: Path, shell: str, path: str, environment: dict[str, str] | None = None) -> None:
    """Run a page's blocks in ``shell``; fail where one does, or prints, anything but what the page says."""
    wanted = executed(page)
    done = subprocess.run(
        [shell],
        input=f"exec 2>&1\n{_script(wanted)}",
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=_SECONDS,
        env={"PATH": path, "HOME": str(folder), "KUBERC": "off", "LANG": "C.UTF-8", **(environment or {})},
    )
    *outputs, rest = re.split(rf"\n{_END} (\d+)\n", done.stdout)
    answers = list(zip(outputs[0::2], outputs[1::2], strict=True))
    assert len(answers) == len(wanted), f"this block failed:\n{wanted[len(answers)].commands}\n{rest}{done.stderr}"
    for block, (output, code) in zip(wanted, answers, strict=True):
        assert (code != "0") == block.refused, f"{block.commands}\n{output}"
        if block.refused:
            assert " denied the request: " in output, output
        for line in block.printed:
            pattern = ".*".join(map(re.escape, line.split("...")))
            assert re.search(f"^{pattern}$", output, re.MULTILINE), f"not printed: {line}\n{output}"


def _script(wanted: list[Block]) -> str:
    """Stop at the first block that fails unexpectedly."""
    parts = []
    for block in wanted:
        parts.append("set +e\n" if block.refused else "set -e\n")
        parts.append(f"{block.commands}printf '\\n{_END} %s\\n' \"$?\"\n")
    return "".join(parts)
