"""Known AI assistants, and how one shows that a command is its own. A tag, not a lock: see docs/assistants.md."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from seconder.api.text import clean
from seconder.api.type_reader import TypeReader
from seconder.plugin.agents.processes import Process, Unreadable, ancestors
from seconder.plugin.terminal.problem import Problem

ANY: Final = "*"
EXTRA: Final = "SECONDER_ASSISTANTS"
_KNOWN: Final = Path(__file__).with_name("assistants.yaml")
_WORD: Final = re.compile("[a-z]+")
_MAX_BYTES: Final = 256 * 1024
_MAX_ASSISTANTS: Final = 500

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An environment variable that the assistant sets for its commands. Value ``*`` is any but the empty one."""

    name: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    value: _Text
    documentation: str = ""


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program of the assistant's, by its exact base name."""

    name: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^/\s]+$")]
    documentation: str = ""


class Assistant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An assistant and what it is known by; ``documentation`` of each mark is the public page that says so.

    ``words`` are such as stand in the names of programs of its kind, between other characters than letters.
    """

    name: _Text
    environment: tuple[Variable, ...] = ()
    processes: tuple[Program, ...] = ()
    words: tuple[Program, ...] = ()


@dataclass(frozen=True, slots=True)
class Detection:
    """Which assistant runs this command, empty for none, and what shows it, in words."""

    assistant: str
    why: str


def detect(
    environment: Mapping[str, str], ancestors: Sequence[Process], known: Sequence[Assistant]
) -> Detection | None:
    """Find the first known assistant that the environment shows, else the nearest process that is one."""
    for assistant in known:
        for variable in assistant.environment:
            value = environment.get(variable.name, "")
            if value and variable.value in {ANY, value}:
                # Any value may be a session's id, which is nobody else's business.
                shown = variable.name if variable.value == ANY else f"{variable.name}={value}"
                return Detection(assistant.name, f"the environment has {shown}")
    named = {program.name: assistant for assistant in reversed(known) for program in assistant.processes}
    spoken = {program.name: assistant for assistant in reversed(known) for program in assistant.words}
    for process in ancestors:
        for name in process.names:
            words = (spoken[word] for word in _WORD.findall(name.lower()) if word in spoken)
            found = named.get(name) or next(words, None)
            if found is not None:
                return Detection(found.name, f"it runs below process {process.pid}, {clean(name)}")
    return None


def detect_here(extra: Path | None = None) -> Detection | None:
    """Look for an assistant around this process: in its environment and among the processes above it.

    ``extra`` (left out: the file that ``SECONDER_ASSISTANTS`` names) adds assistants, and never removes one.
    Raises Problem: a bad file, or processes that cannot be read while the environment shows nothing.
    """
    added = extra or (Path(os.environ[EXTRA]) if os.environ.get(EXTRA) else None)
    known = [*read(_KNOWN), *(read(added) if added else ())]
    # The environment alone is enough to be taken for an assistant; to be taken for a person is not that easy.
    if detection := detect(os.environ, (), known):
        return detection
    try:
        above = ancestors()
    except Unreadable as error:
        raise Problem(f"cannot tell whether an AI assistant runs this command: {error}") from None
    return detect({}, above, known)


_assistants: Final = TypeReader(list[Assistant])


def read(path: Path) -> list[Assistant]:
    """Read a list of assistants. Raises Problem."""
    import yaml

    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise Problem(f"list of assistants {path} is larger than {_MAX_BYTES // 1024} KiB: split or shorten it")
        loaded = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
        assistants = _assistants.convert(loaded)
    except OSError as error:
        raise Problem(f"cannot read the list of assistants {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Problem(f"list of assistants {path} is not usable: {' '.join(str(error).split())}") from None
    if len(assistants) > _MAX_ASSISTANTS:
        raise Problem(f"list of assistants {path} has more than {_MAX_ASSISTANTS} entries: shorten it")
    for assistant in assistants:
        if not (assistant.environment or assistant.processes or assistant.words):
            raise Problem(
                f"list of assistants {path} is not usable: {assistant.name!r} has no environment and no processes"
            )
    return assistants
