"""Parts of the documents that are made from the code, so that they say what it does."""

import configparser
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, starmap
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final

from tests.attacks.attack import attacks

from seconder.admission import footing
from seconder.admission.changes import anew, free_paths, upkeep
from seconder.admission.changes.free_changes import ANYWHERE, COMMANDS, TABLE, Row
from seconder.admission.indirect import table
from seconder.admission.lookups import Lookup
from seconder.admission.powers import POWERS
from seconder.admission.rule import Rule
from seconder.admission.rules import RULES

ROOT: Final = Path(__file__).resolve().parents[1]
_DOCS: Final = ROOT / "docs"
_DECISIONS: Final = _DOCS / "adr"
_CODE: Final = ROOT / "controller" / "seconder"
_BLOCK: Final = re.compile(r"(<!-- made by make generate: (?P<name>[\w-]+) -->\n).*?(^<!-- end -->$)", re.S | re.M)


def written() -> dict[Path, str]:
    """Each page that has such parts, with these as they should be."""
    pages = {page: page.read_text() for page in sorted(_DOCS.glob("*.md"))}
    return {page: _BLOCK.sub(_filled, text) for page, text in pages.items() if _BLOCK.search(text)}


def _filled(block: re.Match[str]) -> str:
    return f"{block[1]}\n{_PARTS[block['name']]()}\n\n{block[3]}"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    return "\n".join((_row(head), "|---" * len(head) + "|", *map(_row, rows)))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rules() -> str:
    rows = (
        (
            f"[{rule.name}](../controller/{rule.evaluate.__module__.replace('.', '/')}.py)",
            rule.promise,
            rule.binds.value,
            ", ".join(f"`{lookup}`" for lookup in _asked(rule.evaluate, *_rows_of(rule))) or "nothing",
        )
        for rule in RULES
    )
    return _table(("rule", "promise", "binds", "asks"), rows)


def _rows_of(rule: Rule) -> Iterator[Callable[..., object]]:
    """What a rule calls by a table, which its code does not name."""
    if rule.name == "indirect-deletion":
        yield from (row.losses for listed in table.deleters().values() for row in listed)


def _asked(*evaluate: Callable[..., object]) -> list[str]:
    """The names of the look-ups that a rule may ask, itself or through what it calls in its room."""
    found: set[str] = set()
    seen: set[object] = set()
    waiting: list[object] = [*evaluate]
    while waiting:
        function = waiting.pop()
        if isinstance(function, type) and issubclass(function, Lookup):
            found.add(function.__name__)
        elif isinstance(function, FunctionType) and function.__module__.startswith("seconder.admission"):
            waiting += [value for value in _mentioned(function) if value not in seen]
            seen.update(waiting)
    return sorted(found)


def _mentioned(function: FunctionType) -> Iterator[type | FunctionType]:
    """The classes and functions that a function's code names, bare or as a module's."""
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    space = function.__globals__
    modules = [vars(space[name]) for name in names if isinstance(space.get(name), ModuleType)]
    for values in (space, *modules):
        yield from (values[name] for name in names if isinstance(values.get(name), type | FunctionType))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _powers() -> str:
    rows: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for power in POWERS:
        given = "nobody" if power.anybody else "agents"
        used = "refused" if power.denied else "decided by reviews"
        groups = rows.setdefault((power.what, given, used), {})
        name = f" named `{power.name}`" if power.name else ""
        groups.setdefault(power.group, []).append(f"`{power.resource}`{name}")
    return _table(
        ("the right to", "of", "an agent gives it to", "an agent uses it, with the authorizer"),
        (
            (what, "; ".join(starmap(_resources, groups.items())), given, used)
            for (what, given, used), groups in rows.items()
        ),
    )


def _resources(group: str, resources: Sequence[str]) -> str:
    listed = ", ".join(resources)
    return f"{listed} of {group}" if group else listed


def _free_changes() -> str:
    rows = (
        (f"`{kind}`", row)
        for kind, listed in TABLE.items()
        for row in listed
        # What a CronJob makes is as free as what anybody makes.
        if row not in ANYWHERE and row._replace(path=row.path.replace("spec.jobTemplate.", "")) not in ANYWHERE
    )
    usual = (("every kind", row) for row in ANYWHERE)
    own = (
        ("custom kinds", Row(f"!metadata.{where}[*.DOMAIN/*]", f"DOMAIN is their group's: {COMMANDS}"))
        for where in ("labels", "annotations")
    )
    paths: dict[tuple[str, str], list[str]] = {}
    for kind, row in chain(usual, own, rows):
        paths.setdefault((kind, row.reason), []).append(f"`{row.path}`")
    listed = [(kind, ", ".join(_short(free)), reason) for (kind, reason), free in paths.items()]
    none = [("`nodes`", "nothing at all", "labels choose what runs there, and annotations are commands")]
    return _table(("on objects of", "free; `!`: not", "since"), chain(listed, none))


def _upkeep() -> str:
    """What controllers write by themselves, by kind."""
    paths: dict[tuple[str, str], list[str]] = {}
    for resource, rows in upkeep.TABLE.items():
        for row in rows:
            paths.setdefault((f"`{resource}`", row.reason), []).append(f"`{free_paths.text(row.steps)}`")
    listed = ((kind, ", ".join(fields), reason) for (kind, reason), fields in paths.items())
    return _table(("on objects of", "by themselves controllers write", "since"), listed)


def _anew() -> str:
    """What is another value at each try, by kind."""
    paths: dict[tuple[str, str, str], list[str]] = {}
    told = (
        (anew.TIMES, "`time: any`, or `time: later than` the former one"),
        (anew.ALLOCATED, "`chosenBy: the API server`"),
    )
    for rows, mark in told:
        for resource, listed in rows.items():
            for row in listed:
                paths.setdefault((f"`{resource}`", mark, row.reason), []).append(f"`{free_paths.text(row.steps)}`")
    shown = ((kind, ", ".join(fields), mark, reason) for (kind, mark, reason), fields in paths.items())
    return _table(("on objects of", "field", "mark", "since"), shown)


def _unshown() -> str:
    """What the API server leaves out of what it shows, by kind."""
    listed = (
        (
            f"`{resource}`",
            f"`{free_paths.text(row.steps)}`",
            f"`{free_paths.text(row.where)}` is `{row.holds}`",
            row.reason,
        )
        for resource, rows in upkeep.UNSHOWN.items()
        for row in rows
    )
    return _table(("on objects of", "field", "where", "since"), listed)


def _short(paths: Sequence[str]) -> Iterator[str]:
    """Paths, of which those of labels and annotations alike are told once."""
    both = {path for path in paths if path.replace(".labels[", ".annotations[") in paths and ".labels[" in path}
    for path in paths:
        if path in both:
            yield path.replace(".labels[", ".*[")
        elif path.replace(".annotations[", ".labels[") not in both:
            yield path


def _indirect() -> str:
    """The table of indirect deleters, with the rule that sees each row."""
    rows = (
        (f"`{row.resource}`", row.by, row.ends, row.reason, "indirect-deletion")
        for listed in table.deleters().values()
        for row in listed
    )
    kinds = (
        (row.kind if " " in row.kind else f"`{row.kind}`", row.by, row.ends, row.reason, row.rule)
        for row in table.ELSEWHERE
    )
    return _table(("of", "by", "an agent ends", "since", "rule"), chain(kinds, rows))


def _footing() -> str:
    """What the whole cluster believes, one row for each of the rule's."""
    rows = (
        (f"`{resource}`", f"`{row.place + '/' if row.place else ''}{row.name}`", row.what, row.reason)
        for resource, found in footing.ROWS.items()
        for row in found
    )
    return _table(("of", "which", "it tells", "since"), rows)


def _attacks() -> str:
    """The attacks of the suite, one row for each function with all of its variants."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for each in attacks():
        layers = ", ".join(layer.value for layer in each.layers)
        rows.setdefault((each.kind, each.does, layers), []).append(f"`{each.name}`")
    return _table(
        ("kind", "attack", "answered by", "names"),
        ((kind, does, layers, ", ".join(names)) for (kind, does, layers), names in rows.items()),
    )


def _layers(contract: str) -> str:
    found = configparser.ConfigParser()
    found.read_string((ROOT / ".importlinter").read_text())
    return f"```text\n{found[f'importlinter:contract:{contract}']['layers'].strip()}\n```"


def _eviction() -> str:
    source = (_CODE / "admission" / "rules" / "eviction.py").read_text()
    return f"```python\n{source[source.index('def evaluate(') :].rstrip()}\n```"


def _decisions() -> str:
    return _table(("number", "decision", "status"), map(_decision, sorted(_DECISIONS.glob("*.md"))))


def _decision(page: Path) -> Sequence[str]:
    text = page.read_text()
    number, _, title = text.partition("\n")[0].removeprefix("# ").partition(". ")
    by = re.search(r"^(Superseded .*?by) \[(.*?)\]\((.*?)\)", text, re.M)
    status = f"{by[1].lower()} [{by[2]}](adr/{by[3]})" if by else "in force"
    return number, f"[{title}](adr/{page.name})", status


_PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "rules": _rules,
    "powers": _powers,
    "free-changes": _free_changes,
    "upkeep": _upkeep,
    "anew": _anew,
    "unshown": _unshown,
    "indirect": _indirect,
    "footing": _footing,
    "attacks": _attacks,
    "layers": lambda: _layers("layers"),
    "admission-layers": lambda: _layers("admission"),
    "eviction": _eviction,
    "decisions": _decisions,
}
