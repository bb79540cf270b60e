"""The certificate that reviews are served with, exchangeable while connections are open."""

import asyncio
import ssl
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

_POLL_SECONDS: Final = 0.02


class ServingCertificate:
    """Holds the TLS context for new connections.

    A new certificate makes a new context. Open connections keep the one that they began with, and no handshake can ever
    meet a certificate and a key that do not belong together, from whichever thread ``reload`` is called.

    ``clients``: the CAs, as PEM, whose certificates clients may prove themselves by. Who shows none is served as well;
    who shows another is turned away. Empty: nobody is asked. Raises ValueError for what is no PEM.
    """

    def __init__(self, clients: str = "") -> None:
        self._clients: Final = clients
        if clients:
            _ask_clients(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), clients)
        self._context: ssl.SSLContext | None = None
        self._not_after: datetime | None = None

    @property
    def context(self) -> ssl.SSLContext | None:
        """What to accept the next connection with; None until a certificate has been loaded."""
        return self._context

    @property
    def not_after(self) -> datetime | None:
        """The end of the leaf's validity (UTC); None until a certificate has been loaded."""
        return self._not_after

    async def loaded(self) -> None:
        """Return once there is a certificate to serve with."""
        # An asyncio.Event would have to be set on this loop's own thread.
        while self._context is None:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)

    def reload(self, certificates: bytes, key: bytes) -> None:
        """Serve new connections with this chain, leaf first, and its unencrypted private key, both PEM.

        The pair before them stays in use where they cannot be. Raises ValueError: they are unreadable, or no pair.
        """
        try:
            leaf = x509.load_pem_x509_certificate(certificates)
        except ValueError:
            raise ValueError("the serving certificate is not readable PEM") from None
        context = _server_context(certificates, key)
        if self._clients:
            _ask_clients(context, self._clients)
        self._context, self._not_after = context, leaf.not_valid_after_utc


def _ask_clients(context: ssl.SSLContext, authorities: str) -> None:
    try:
        context.load_verify_locations(cadata=authorities)
    except ssl.SSLError:
        raise ValueError("the clients' CA is not readable PEM") from None
    context.verify_mode = ssl.CERT_OPTIONAL


def _server_context(certificates: bytes, key: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Python loads a pair from a file only. The folder is for this process alone and gone before anything else happens.
    with tempfile.TemporaryDirectory(prefix="seconder-") as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_bytes(key.rstrip() + b"\n" + certificates)
        try:
            # A password, though none is needed: without one OpenSSL asks for it on the terminal, and waits.
            context.load_cert_chain(pair, password="")
        except ssl.SSLError as error:
            # OpenSSL's text says nothing that a person could act on.
            if error.reason == "KEY_VALUES_MISMATCH":
                raise ValueError("the serving certificate and its private key do not belong together") from None
            raise ValueError("the serving certificate or its private key is unreadable or encrypted") from None
    return context
