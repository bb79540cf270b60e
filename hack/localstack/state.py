"""What ``up`` left running: kept in a file, so that ``down`` and the next ``up`` know."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from localstack.files import write_private
from localstack.identity import ProcessIdentity


class State:
    """The processes of a stack in the order of their start, written down at once as each starts."""

    def __init__(self, file: Path) -> None:
        self._file: Final = file
        self.processes: Final[list[ProcessIdentity]] = []

    @classmethod
    def read(cls, file: Path) -> "State":
        """Read what an earlier run wrote; nothing, when there is no such file or it is not ours."""
        state = cls(file)
        try:
            entries = json.loads(file.read_text())["processes"]
            state.processes.extend(ProcessIdentity(e["name"], int(e["pid"]), e["started"]) for e in entries)
        except (OSError, ValueError, KeyError, TypeError):
            state.processes.clear()
        return state

    def add(self, name: str, pid: int) -> None:
        """Note a process that has just started."""
        self.processes.append(ProcessIdentity.of(name, pid))
        write_private(self._file, json.dumps({"processes": [asdict(p) for p in self.processes]}, indent=2) + "\n")
