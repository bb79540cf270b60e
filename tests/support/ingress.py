"""What an Ingress does for the portal: TLS for its host ends here, and requests go on to where it serves plain HTTP."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support import receivers
from tests.support.lying import lying

from localstack import browser as browsers
from localstack.browser import Browser
from localstack.ports import free_ports


@contextmanager
def browser_behind_ingress(host: str, service: str, folder: Path) -> Iterator[Browser]:
    """A browser that finds ``https://HOST`` on loopback. ``service``: address and port of the portal's Service."""
    pair = receivers.certificate(folder)
    key = x509.load_pem_x509_certificate(pair[0].read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    (port,) = free_ports(1)
    places, trusted = f"MAP {host} 127.0.0.1:{port}", base64.b64encode(digest).decode()
    # It tells no lies here.
    with lying(service, port, pair), browsers.browser(places=places, trusted=trusted) as opened:
        yield opened
