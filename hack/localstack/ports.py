"""Free TCP ports on loopback."""

import contextlib
import fcntl
import functools
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

_RANGE: Final = range(20_000, 32_000)
"""Below what Linux (32768) and macOS (49152) hand out to outgoing connections: none of those can take a port of ours
between the choice and the server's start, or while a server restarts."""

_given: Final[set[int]] = set()
"""What this process was given: a server that is being started does not listen yet."""


def free_ports(count: int) -> list[int]:
    """``count`` different ports that nobody listens on at 127.0.0.1 and no other process of this user was given.

    They are this process's until it ends, so that two stacks started at the same moment do not get alike.
    Raises ``OSError`` when there are not so many, or when the file of claims cannot be used.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for port in random.sample(_RANGE, len(_RANGE)):
            if len(ports) == count:
                break
            if port in _given or not _claimed(port):
                continue
            candidate = held.enter_context(socket.socket())
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    if len(ports) < count:
        raise OSError(f"fewer than {count} free ports from {_RANGE.start} to {_RANGE.stop}")
    _given.update(ports)
    return ports


def _claimed(port: int) -> bool:
    """Whether this process holds the port's byte of the file of claims now. The system lets go when it ends."""
    claims = _claims()
    try:
        fcntl.lockf(claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):  # EAGAIN and EACCES: another process holds it
        return False
    return True


@functools.cache
def _claims() -> int:
    """The descriptor of the file of claims. It stays open, as closing it gives all claims up."""
    path = Path(tempfile.gettempdir()) / f"seconder-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
