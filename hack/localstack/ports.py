"""Free TCP ports on loopback."""

import contextlib
import random
import socket
from typing import Final

_RANGE: Final = range(20_000, 32_000)
"""Below what Linux (32768) and macOS (49152) hand out to outgoing connections: none of those can take a port of ours
between the choice and the server's start, or while a server restarts."""


def free_ports(count: int) -> list[int]:
    """``count`` different ports that nobody listens on at 127.0.0.1.

    Chosen at random, so that stacks started at the same moment do not choose alike.
    Raises ``OSError`` when there are not so many.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for port in random.sample(_RANGE, len(_RANGE)):
            if len(ports) == count:
                break
            candidate = held.enter_context(socket.socket())
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    if len(ports) < count:
        raise OSError(f"fewer than {count} free ports from {_RANGE.start} to {_RANGE.stop}")
    return ports
