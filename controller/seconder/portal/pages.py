"""What the pages show, put into templates. Every value that comes from the cluster is cleaned and escaped."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from seconder.admission.changes import alike, differences
from seconder.admission.changes.differences import Rebased
from seconder.api import change_request
from seconder.api.change_request import ChangeRequest
from seconder.api.resources import Action
from seconder.api.text import clean, describe, named, quoted
from seconder.approvals import line_diff
from seconder.portal.cases import Case, seconds_since

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_FILES: Final = {
    "portal.js": "text/javascript; charset=utf-8",
    "portal.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class File(NamedTuple):
    """A file that all pages share."""

    content: bytes
    media_type: str
    tag: str


_IDENTIFIERS: Final = frozenset({"uid", "from", "to", "request", "cluster"})
"""What nobody compares by eye: shown folded."""


class Fact(NamedTuple):
    """One line of what is asked for. The page's script compares those with a key with the statement."""

    key: str
    label: str
    text: str

    @property
    def identifies(self) -> bool:
        """Whether it is for programs to compare."""
        return self.key in _IDENTIFIERS


class DiffLine(NamedTuple):
    """A line of a diff, and how it is marked."""

    kind: str
    text: str


class Row(NamedTuple):
    """One request in the list. ``joins``: it may be approved in one statement with others."""

    name: str
    action: str
    object: str
    requester: str
    impact: str
    phase: str
    progress: str
    age: str
    joins: bool


@cache
def files() -> dict[str, File]:
    """The files that pages need, by their names."""
    folder = resources.files(__package__).joinpath("static")
    found = {}
    for name, media_type in _FILES.items():
        content = folder.joinpath(name).read_bytes()
        found[name] = File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found


def page(name: str, **values: Any) -> str:
    """The HTML of one page."""
    return _environment().get_template(f"{name}.html.jinja").render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("seconder.portal", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = quoted
    return environment


def row(request: ChangeRequest) -> Row:
    """What the list says of a request."""
    spec, status = request.spec, request.status
    return Row(
        request.name,
        spec.action.value,
        describe(request.target),
        _who(request),
        clean(status.impact),
        status.phase.value,
        clean(status.progress),
        age(seconds_since(status.last_refused_at)),
        status.phase.waits and all(policy.required == 1 for policy in spec.policies),
    )


def facts(case: Case) -> Iterator[Fact]:
    """What is asked for, from the record and the cluster; each in one line."""
    request = case.request
    spec, target = request.spec, request.target
    yield Fact("action", "Action", spec.action.value)
    yield Fact("resource", "Resource", clean(str(target.resource)))
    if target.namespace:
        yield Fact("namespace", "Namespace", clean(target.namespace))
    yield Fact("name", "Name", clean(target.name))
    yield Fact("uid", "Object's uid", clean(target.uid))
    if spec.asked_by:
        yield Fact("", "By", f"{spec.asked_by} (this may last when the approval has ended)")
    yield Fact("requester", "Who asked", clean(spec.requester))
    if spec.agent:
        yield Fact("agent", "Agent", clean(spec.agent))
    for number, operator in enumerate(sorted(case.change.operators)):
        yield Fact("", "Set going by" if number == 0 else "and by", f"{named(operator)} (cannot approve this)")
    if spec.reason:
        yield Fact("", "In its own words", f"{quoted(spec.reason)} (unproven)")
    if case.impact is not None:
        yield Fact("impact", "Goes down with it", case.impact.summary)
    elif spec.action is not Action.CHANGE:
        yield Fact("", "Goes down with it", clean(request.status.impact) or "the object itself")
    if case.based is not None:
        yield Fact("from", "Digest before", case.based.difference.before)
        yield Fact("to", "Digest after", case.based.difference.after)
    yield from _circumstances(case)


def _circumstances(case: Case) -> Iterator[Fact]:
    status = case.request.status
    yield Fact("", "Asked", f"{age(seconds_since(status.last_refused_at))} ago, {_times(status.attempts)}")
    if told := change_request.let_through(status):
        yield Fact("", "Let through", told)
    for policy in sorted(case.change.policies, key=lambda policy: policy.name):
        need = policy.requirement
        peers = "1 peer" if need.required == 1 else f"{need.required} peers"
        teams = f" of {', '.join(sorted(need.teams))}" if need.teams else ""
        yield Fact("", "Policy", clean(f"{policy.name}: {peers}{teams}"))
    yield Fact("request", "Change request's uid", clean(case.request.uid))
    yield Fact("cluster", "Cluster", clean(case.audience))


def diff(based: Rebased | None) -> Sequence[DiffLine]:
    """The unified diff of what is changed; no lines where nothing is."""
    if based is None:
        return ()
    before, after = (_lines(state) for state in (based.before, based.after))
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return [
        DiffLine(kinds.get(mark, "same"), text if mark == "@" else f"{mark}{text}")
        for mark, text in line_diff.lines(before, after)
    ]


def texts(based: Rebased) -> tuple[str, str]:
    """The canonical JSON of both states: what the digests in a statement are over."""
    return alike.canonical(based.before).decode(), alike.canonical(based.after).decode()


def _lines(state: Any) -> list[str]:
    document, taken = differences.parts(state)
    lines = _pretty(document)
    # No line of JSON.
    return [*lines, differences.HEADING, *_pretty(taken)] if taken else lines


def _pretty(value: Any) -> list[str]:
    shown = msgspec.json.format(alike.canonical(value).decode(), indent=2)
    return ["".join(map(_plain, line)) for line in shown.split("\n")]


def _plain(character: str) -> str:
    """A character as it may be shown: what is not plain ASCII as JSON escapes it, by UTF-16 units."""
    if " " <= character <= "~":
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def age(seconds: int | None) -> str:
    """``3 d``, ``5 min``: a time that has passed, in one unit."""
    if seconds is None:
        return "an unknown time"
    for size, unit in _UNITS:
        if seconds >= size * (1 if size == 1 else 2):
            return f"{seconds // size} {unit}"
    return "0 s" if seconds == 0 else f"{seconds} s"


def _times(attempts: int) -> str:
    return "once" if attempts <= 1 else f"{attempts} times"


def _who(request: ChangeRequest) -> str:
    spec = request.spec
    return f"{named(spec.requester)} (agent {named(spec.agent)})" if spec.agent else named(spec.requester)
