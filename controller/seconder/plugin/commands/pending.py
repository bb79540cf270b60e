"""``pending``: the change requests that wait for a peer."""

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from seconder.api import change_request
from seconder.api.change_request import ChangeRequest, Phase
from seconder.api.text import clean, describe, named, quoted
from seconder.client.api import Api
from seconder.plugin.terminal import connection, output
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.trouble import Trouble

_HEADER: Final = ("NAME", "OBJECT", "ACTION", "REQUESTER", "IMPACT", "APPROVALS", "WAITS", "AGE")
_WIDE: Final = ("ATTEMPTS", "LAST REASON", "SAYS")
_WIDTHS: Final = (30, 32, 6, 24, 16)
_ACCOUNT: Final = "system:serviceaccount:"
_WAKE_SECONDS: Final = 1.0


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser("pending", "List the change requests that wait for a peer, the longest waiting first.")
    command.add_argument("-w", "--watch", action="store_true", help="go on with what changes, until Ctrl-C")
    output.add_format(command, "wide")
    connection.add_flags(command, namespace=False)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Print the list; follow it if asked to."""
    api = connection.connect(arguments).api
    form = arguments.output
    documents, _ = api.items(change_request.PATH)
    waiting = _longest_waiting_first(
        read for read in map(change_request.readable, documents) if read and read.status.phase.waits
    )
    if arguments.watch:
        return _follow(api, waiting, form)
    if form in {"json", "yaml"}:
        listed = {"apiVersion": "v1", "kind": "List", "items": [msgspec.to_builtins(request) for request in waiting]}
        print(output.dump(listed, form))
    elif waiting:
        output.show(output.table([_header(form), *(_row(request, form) for request in waiting)]))
    else:
        print("No change requests are waiting.", file=sys.stderr)
    return 0


def _longest_waiting_first(found: Iterable[ChangeRequest]) -> list[ChangeRequest]:
    # Each waits for the same time, so that the end of it tells when it was opened, or opened again.
    return sorted(
        found, key=lambda request: (request.status.expires_at or request.metadata["creationTimestamp"], request.name)
    )


def _header(form: str | None) -> tuple[str, ...]:
    return (*_HEADER, *_WIDE) if form == "wide" else _HEADER


def _row(request: ChangeRequest, form: str | None) -> tuple[str, ...]:
    now = time.time()
    spec, status = request.spec, request.status
    until = change_request.moment(status.expires_at)
    made = change_request.moment(request.metadata["creationTimestamp"])
    ends = "" if until is None else output.short(until.timestamp() - now)
    row = (
        request.name,
        describe(request.target),
        spec.action.value,
        named(spec.requester.removeprefix(_ACCOUNT)),
        clean(status.impact),
        status.progress or f"0/{max((policy.required for policy in spec.policies), default=0)}",
        ("let through" if status.answered else ends) if status.phase.waits else status.phase.value,
        "" if made is None else output.short(now - made.timestamp()),
    )
    if form != "wide":
        return row
    return (*row, str(status.attempts), status.last_reason, quoted(request.reason) if request.reason else "")


class _Changes:
    """What a watch has found, and what of it has been told."""

    def __init__(self, told: Iterable[ChangeRequest]) -> None:
        self._told = {request.uid: _essence(request) for request in told}
        self._lock = threading.Lock()
        self._changed: dict[str, ChangeRequest] = {}
        self._errors: list[Exception] = []
        self._trouble = Trouble()

    def take(self, values: Mapping[str, ChangeRequest]) -> None:
        """Keep what has changed (in the watch's thread)."""
        with self._lock:
            self._changed = {request.uid: request for request in values.values()}

    def failed(self, _: str, error: Exception) -> None:
        """Keep the error (in the watch's thread)."""
        with self._lock:
            self._errors = [error]

    def give(self) -> list[ChangeRequest]:
        """Give what is to be told. Raises ApiError where trying again is of no use."""
        with self._lock:
            changed, self._changed = self._changed, {}
            errors, self._errors = self._errors, []
        for error in errors:
            if self._trouble.begins(error, time.monotonic()):
                output.tell(["the API server cannot be reached: trying again"])
        found = []
        for request in changed.values():
            known = self._told.get(request.uid)
            if known == _essence(request) or (known is None and not request.status.phase.waits):
                continue
            self._told[request.uid] = _essence(request)
            found.append(request)
        return _longest_waiting_first(found)


def _essence(request: ChangeRequest) -> tuple[Phase, str, str]:
    return request.status.phase, request.status.progress, request.status.impact


def _follow(api: Api, waiting: list[ChangeRequest], form: str | None) -> int:
    from seconder.client.watch import Watch

    programs = form in {"json", "yaml"}
    if not programs:
        _print([_header(form)])
    _tell(waiting, form)
    changes = _Changes(waiting)
    watch = Watch(api, change_request.PATH, change_request.readable, changes.take, changes.failed)
    watch.start()
    pause = threading.Event()
    try:
        while True:
            _tell(changes.give(), form)
            pause.wait(_WAKE_SECONDS)
    finally:
        watch.stop()


def _tell(found: list[ChangeRequest], form: str | None) -> None:
    for request in found:
        if form == "json":
            print(json.dumps(msgspec.to_builtins(request), ensure_ascii=False), flush=True)
        elif form == "yaml":
            print(f"---\n{output.dump(msgspec.to_builtins(request), form)}", flush=True)
        else:
            _print([_row(request, form)])


def _print(rows: list[tuple[str, ...]]) -> None:
    # Rows that come one by one cannot agree on widths: these do for most.
    output.show(output.table(rows, _WIDTHS))
    sys.stdout.flush()
