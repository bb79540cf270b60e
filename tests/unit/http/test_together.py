"""Requests that come in one turn of the event loop: all are read, then all decided, then all answered."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.http import head
from tests.unit.http.test_protocol import PLAIN, Connection, on_a_loop, statuses

from seconder.http.protocol import Shared

_CRASH = head(5) + b"crash"
_LATE = PLAIN.replace(b"/validate", b"/late")
_MANY = 40


def _connections(count: int, *known: bytes) -> list[Connection]:
    """Connections of one listener that has seen such heads before: these requests need no parser."""
    first = Connection()
    first.feed(PLAIN, *known)
    first.bodies.clear()
    first.reported.clear()
    return [Connection(shared=first.shared) for _ in range(count)]


def _together(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        on_a_loop(test)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@_together
async def test_each_gets_the_answer_to_its_own_request_at_the_end_of_the_turn() -> None:
    """Not before, and nobody waits for a turn more."""
    first = Connection()
    shared = Shared({"/validate": lambda body: b'{"of": "%b"}' % body}, first.reported.append, first.shared.limits)
    Connection(shared=shared).feed(PLAIN)
    connections = [Connection(shared=shared) for _ in range(9)]
    for number, connection in enumerate(connections):
        connection.receive(head(6) + b"body-%d" % number)
    assert {connection.wire.said for connection in connections} == {b""}
    assert all(connection.protocol.busy for connection in connections), "a drain waits for them"
    await asyncio.sleep(0)
    for number, connection in enumerate(connections):
        assert connection.wire.said.endswith(b'{"of": "body-%d"}' % number)
        assert not connection.protocol.busy
    assert connections[0].feed(PLAIN).endswith(b'{"of": "abcdef"}')


@_together
async def test_all_are_decided_before_any_answer_is_written() -> None:
    """That is what it is for."""
    connections = _connections(3)
    seen: list[list[bytes]] = []
    shared = connections[0].shared
    shared.known_heads._heads = [
        (before, after, lambda _: seen.append([one.wire.said for one in connections]) or b"{}")  # type: ignore[func-returns-value]
        for before, after, _ in shared.known_heads._heads
    ]
    for connection in connections:
        connection.receive(PLAIN)
    await asyncio.sleep(0)
    assert seen == [[b"", b"", b""]] * 3
    assert all(statuses(connection.wire.said) == [200] for connection in connections)


@_together
async def test_what_fails_or_waits_is_no_affair_of_the_others() -> None:
    """Each connection has its own outcome."""
    crashed, late, well, broken = connections = _connections(4, _LATE)

    def write(data: object) -> None:
        raise OSError("the transport is broken")

    broken.wire.write = write  # type: ignore[method-assign]
    for connection, request in zip(connections, (_CRASH, _LATE, PLAIN, PLAIN), strict=True):
        connection.receive(request)
    await asyncio.sleep(0)
    assert statuses(crashed.wire.said) == [500]
    assert statuses(well.wire.said) == [200]
    assert (late.wire.said, broken.wire.aborted) == (b"", True)
    assert statuses(await late.settle()) == [200]


@_together
async def test_who_is_gone_by_the_end_of_the_turn_gets_no_answer() -> None:
    """The others do."""
    gone, here = _connections(2)
    gone.receive(PLAIN)
    here.receive(PLAIN)
    gone.lose()
    await asyncio.sleep(0)
    assert (gone.wire.said, gone.wire.too_late, statuses(here.wire.said)) == (b"", [], [200])
    assert gone.protocol not in gone.shared.open


@_together
async def test_no_more_wait_for_each_other_than_there_is_memory_for() -> None:
    """Sixteen at the most, each with a piece of 64 KiB."""
    connections = _connections(_MANY)
    for connection in connections:
        connection.receive(PLAIN)
    waiting = [connection for connection in connections if not connection.wire.said]
    assert 0 < len(waiting) < 16
    await asyncio.sleep(0)
    assert all(statuses(connection.wire.said) == [200] for connection in connections)


@pytest.mark.parametrize("more", [PLAIN, b"G", b"rubbish\r\n\r\n", PLAIN[:30]])
def test_who_sends_more_before_the_answer_gets_that_as_the_last_one(more: bytes) -> None:
    """Pipelining is not served: once, in whatever order the two would have been decided."""

    async def test() -> None:
        eager, other = _connections(2)
        eager.receive(PLAIN)
        other.receive(PLAIN)
        eager.receive(more)
        await asyncio.sleep(0)
        assert statuses(eager.wire.said) == [200]
        assert b"connection: close\r\n" in eager.wire.said
        assert (eager.wire.closed, eager.wire.too_late) == (True, [])
        assert statuses(other.wire.said) == [200]

    on_a_loop(test)


@_together
async def test_who_says_that_nothing_more_comes_is_answered_first() -> None:
    """The transport closes with the end of what the client sends."""
    (connection,) = _connections(1)
    connection.receive(PLAIN)
    connection.protocol.eof_received()
    assert statuses(connection.wire.said) == [200]
    await asyncio.sleep(0)
    assert statuses(connection.wire.said) == [200]
