"""Records AdmissionReviews verbatim as the real API server sends them: a webhook that lets everything through."""

import datetime
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from seconder.operator.certificates import Terms, create


class Recorder:
    """Serves on loopback until left. ``came`` are the reviews in the order of arrival, each with its path."""

    def __init__(self, folder: Path) -> None:
        material = create(Terms(("127.0.0.1",)), datetime.datetime.now(datetime.UTC))
        self.authority = material.bundle
        self.came: list[tuple[str, dict[str, Any]]] = []
        came = self.came

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Header and body are two writes; without this each answer waits 40 ms for an acknowledgement.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                came.append((self.path.partition("?")[0], review))
                response = {"uid": review["request"]["uid"], "allowed": True}
                answer = json.dumps(review | {"request": None, "response": response}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                """Say nothing."""

        pair = folder / "recorder.pem"
        pair.write_bytes(material.serving.key + material.serving.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.base = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.base}/record"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def reviews(self) -> list[dict[str, Any]]:
        """Those that came, without their paths."""
        return [review for _, review in self.came]

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
