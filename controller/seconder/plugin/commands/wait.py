"""``wait``: wait until a change request is approved, denied or over. Its exit code says which."""

import argparse
import sys
import threading
import time
from collections.abc import Mapping
from typing import Final

from seconder.api import change_request, constants
from seconder.api.change_request import ChangeRequest, Phase
from seconder.api.duration import Duration
from seconder.api.text import MAX_FIELD, clean
from seconder.client.api import Api, ApiError
from seconder.plugin.approving import cluster_reads
from seconder.plugin.terminal import connection, output
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem
from seconder.plugin.terminal.trouble import Trouble

_CODES: Final = {Phase.APPROVED: 0, Phase.USED: 0, Phase.DENIED: 3, Phase.EXPIRED: 4, Phase.WITHDRAWN: 4}
_GONE: Final = 4
_TIMED_OUT: Final = 5
_LONGEST: Final = 24 * 3600


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "wait",
        "Wait until a change request is approved. Exit code: 0 approved or used, 3 denied, 4 expired or withdrawn, "
        "5 still waiting at the end of the time.",
    )
    command.add_argument("name", metavar="chg-NAME", help="the change request")
    command.add_argument("--reason", metavar="TEXT", help="say first why it is asked: approvers read it as your words")
    command.add_argument("--timeout", default="30m", metavar="TIME", help="such as 90s or 2h; left out: 30m")
    connection.add_flags(command, namespace=False)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Follow it to an end, and say which."""
    seconds = _seconds(arguments.timeout)
    api = connection.connect(arguments).api
    deadline = time.monotonic() + seconds
    request = cluster_reads.read_request(api, arguments.name)
    if arguments.reason is not None:
        _state(api, request, arguments.reason)
    if request.status.phase not in _CODES and sys.stderr.isatty():
        print(f"{request.name} waits for a peer; Ctrl-C ends the waiting, not the request", file=sys.stderr)
    from seconder.client.watch import Watch

    seen = _Seen(request)
    watch = Watch(
        api,
        change_request.PATH,
        change_request.readable,
        seen.take,
        seen.failed,
        field_selector=f"metadata.name={request.name}",
    )
    watch.start()
    try:
        return _told(seen, deadline)
    finally:
        watch.stop()


def _state(api: Api, request: ChangeRequest, reason: str) -> None:
    """Write the caller's reason on the change request. Raises Problem."""
    if len(reason) > MAX_FIELD:
        raise Problem(f"--reason is longer than {MAX_FIELD} characters: say it in fewer")
    reason = clean(reason).strip()
    if not reason:
        raise Problem("--reason says nothing: approvers read it before they sign")
    changes = {"metadata": {"uid": request.uid, "annotations": {constants.REASON_KEY: reason}}}
    api.merge(f"{change_request.PATH}/{request.name}", changes, fieldManager=constants.APPROVAL_MANAGER)
    print(f"{request.name} now says why", file=sys.stderr)


class _Seen:
    """What the watch has seen last. ``request``: None once it is gone."""

    def __init__(self, request: ChangeRequest) -> None:
        self.request: ChangeRequest | None = request
        self.changed = threading.Event()
        self._trouble = Trouble()
        self.error: ApiError | None = None

    def take(self, values: Mapping[str, ChangeRequest]) -> None:
        """Keep it (in the watch's thread)."""
        self.request = next(iter(values.values()), None)
        self.changed.set()

    def failed(self, _: str, error: Exception) -> None:
        """Say once that the API server is away; keep what trying again will not mend (in the watch's thread)."""
        try:
            if self._trouble.begins(error, time.monotonic()):
                print("the API server cannot be reached: trying again", file=sys.stderr)
        except ApiError as hopeless:
            self.error = hopeless
            self.changed.set()


def _told(seen: _Seen, deadline: float) -> int:
    while True:
        seen.changed.clear()
        if seen.error is not None:
            raise seen.error
        request = seen.request
        if request is None:
            raise Problem("it is gone: somebody removed the change request", _GONE)
        phase = request.status.phase
        if phase in _CODES:
            why = change_request.denial_of(request.status) or request.status.message
            output.show([f"{request.name} {phase}{f': {clean(why)}' if why else ''}"])
            return _CODES[phase]
        left = deadline - time.monotonic()
        if left <= 0:
            progress = clean(request.status.progress) or "not looked at yet"
            print(f"{request.name} still waits ({progress})", file=sys.stderr)
            return _TIMED_OUT
        seen.changed.wait(left)


def _seconds(text: str) -> int:
    try:
        seconds = Duration.parse(text)
    except ValueError:
        raise Problem(f"--timeout {clean(text)} is not a time such as 90s, 30m or 2h") from None
    if not 0 < seconds <= _LONGEST:
        raise Problem(f"--timeout {clean(text)} is not between 1s and 24h")
    return seconds
