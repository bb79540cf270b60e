"""Takes the addresses that the two programs listen on."""

import errno
import socket


def bind(host: str, port: int) -> socket.socket:
    """Take an address without listening yet: until somebody does, clients are refused at once.

    ``host`` is an address; ``::`` takes IPv4 clients too, and them alone where there is no IPv6. Port 0 takes a free
    one. Raises OSError: it is not to be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if host != "::" or error.errno != errno.EAFNOSUPPORT:
            raise
        return bind("0.0.0.0", port)  # noqa: S104 - what :: means where there is no IPv6
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        # Switched off by sysctl, there are sockets and no addresses for them.
        if host == "::" and error.errno == errno.EADDRNOTAVAIL:
            return bind("0.0.0.0", port)  # noqa: S104 - as above
        raise
    sock.setblocking(False)
    return sock
