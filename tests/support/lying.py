"""A portal that lies: the real one behind a server that changes what it says, as whoever takes it over could."""

import http.client
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Lie = Callable[[str, str], str]
"""Makes another text of an answer's, by the path that was asked for."""

_KEPT = frozenset({"content-type", "content-security-policy", "set-cookie", "location", "cache-control"})


class Liar:
    """Says what the portal at ``address`` says, changed by ``lie``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.lie: Lie = lambda _, text: text


@contextmanager
def lying(address: str, port: int, certificate: tuple[Path, Path] | None = None) -> Iterator[Liar]:
    """Serve on this port, in front of the portal at ``address`` (HOST:PORT).

    ``certificate``: it and its key, to serve over TLS.
    """
    liar = Liar(address)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = http.client.HTTPConnection(liar.address, timeout=30)
            try:
                connection.request(self.command, self.path, body or None, dict(self.headers.items()))
                answer = connection.getresponse()
                told = liar.lie(self.path, answer.read().decode()).encode()
                headers = [(name, value) for name, value in answer.getheaders() if name.lower() in _KEPT]
            finally:
                connection.close()
            self.send_response(answer.status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = _pass_on  # noqa: N815 - as http.server calls them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as there
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # Each handshake in its connection's own thread: a browser opens some that it does not use.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield liar
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
