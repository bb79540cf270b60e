"""TLS to an API server: what is trusted, what is shown, and in words what went wrong."""

import contextlib
import os
import re
import socket
import ssl
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from seconder.api.text import clean
from seconder.client.credentials import Credentials, Identity, NoCredentials

if TYPE_CHECKING:
    from cryptography import x509

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_LOOK_SECONDS: Final = 3.0
_MAX_NAMES: Final = 10

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_UNKNOWN_AUTHORITY: Final = frozenset({18, 19, 20, 21})
_WRONG_NAME: Final = frozenset({62, 64})


class Context(ssl.SSLContext):
    """A context whose ``server_name``, where it has one, is asked and checked for whatever host is connected to.

    So does Go's ``tls.Config.ServerName``, which applies to a proxy that speaks TLS too.
    """

    server_name = ""

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """See ssl.SSLContext."""
        return super().wrap_socket(sock, *args, **self._named(kwargs))

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """See ssl.SSLContext."""
        return super().wrap_bio(incoming, outgoing, *args, **self._named(kwargs))

    def _named(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return arguments | {"server_hostname": self.server_name} if self.server_name else arguments


def context(credentials: Credentials, identity: Identity) -> Context:
    """What connections to the API server use. Raises NoCredentials for PEM that cannot be used."""
    made = Context(ssl.PROTOCOL_TLS_CLIENT)
    made.server_name = credentials.server_name
    # As Go does it: names stand in subjectAltName alone, and whatever is trusted may be the end of a chain.
    made.hostname_checks_common_name = False
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Kubernetes' own CAs often lack what VERIFY_X509_STRICT (a default of Python 3.13) asks for.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if credentials.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif credentials.ca:
        _trust(made, credentials)
    else:
        made.load_default_certs()
    if identity.certificate:
        _show(made, credentials, identity)
    return made


def explain(error: ssl.SSLError, credentials: Credentials, *, look: bool) -> str:
    """What is wrong with a server's certificate, or with its TLS.

    ``look``: the certificate is read once more, without sending anything, to say what stands in it.
    """
    if not isinstance(error, ssl.SSLCertVerificationError):
        return _protocol(error)
    who = f"the certificate of {urlsplit(credentials.server).netloc}"
    certificate = _shown(credentials) if look else None
    if error.verify_code in _UNKNOWN_AUTHORITY:
        issuer = f", issued by {_name(certificate.issuer)}," if certificate else ""
        trusted = f"the certificate authority of {credentials.ca_origin or 'the cluster'} ({_authorities(credentials)})"
        known = trusted if credentials.ca else "an authority that this machine trusts; no certificate-authority is set"
        return f"{who}{issuer} is not signed by {known}"
    if error.verify_code in _WRONG_NAME:
        wanted = credentials.server_name or urlsplit(credentials.server).hostname
        valid = f" is valid for {_names(certificate)}, and" if certificate else " is"
        return f"{who}{valid} not for {wanted}: see tls-server-name"
    if error.verify_code == _EXPIRED:
        ended = f" at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}" if certificate else ""
        return f"{who}, or one that signed it, has expired{ended}; is this machine's clock right?"
    if error.verify_code == _NOT_YET_VALID:
        begins = f" before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}" if certificate else " yet"
        return f"{who}, or one that signed it, is not valid{begins}; is this machine's clock right?"
    return f"{who} is not accepted: {error.verify_message}"


def _trust(made: Context, credentials: Credentials) -> None:
    usable = 0
    for block in _CERTIFICATE.findall(credentials.ca):
        # One that cannot be read is passed over, as Go does it.
        with contextlib.suppress(ssl.SSLError, UnicodeDecodeError):
            made.load_verify_locations(cadata=block.decode("ascii"))
            usable += 1
    if not usable:
        raise NoCredentials(f"{credentials.ca_origin or 'the cluster'} has a certificate-authority that cannot be read")


def _show(made: Context, credentials: Credentials, identity: Identity) -> None:
    try:
        with _private_file(identity.certificate) as certificate, _private_file(identity.key) as key:
            # With a password for a key that has one, OpenSSL does not ask for it.
            made.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise NoCredentials(
            f"{credentials.origin or 'the user'} has a client certificate and key that cannot be used: {reason}"
        ) from None


@contextlib.contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    # The ssl module reads keys from files only; mkstemp makes them readable by this user alone.
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)


def _protocol(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return "the server does not speak TLS there: is it the right port, and https:// rather than http://?"
    if "CERTIFICATE_REQUIRED" in reason or "BAD_CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return f"the server does not accept the client certificate, or wants one ({reason})"
    return f"TLS failed ({reason})"


def _shown(credentials: Credentials) -> "x509.Certificate | None":
    """The certificate that the server shows; None where that takes a proxy, or does not work."""
    if credentials.proxy:
        return None
    from cryptography import x509

    url = urlsplit(credentials.server)
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((url.hostname or "", url.port or 443), _LOOK_SECONDS) as connection,
            looking.wrap_socket(connection, server_hostname=credentials.server_name or url.hostname) as secured,
        ):
            return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None


def _names(certificate: "x509.Certificate") -> str:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return "no name at all"
    listed = [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]
    return clean(", ".join(listed[:_MAX_NAMES]) + (", ..." if len(listed) > _MAX_NAMES else ""))


def _authorities(credentials: Credentials) -> str:
    from cryptography import x509

    found = []
    for block in _CERTIFICATE.findall(credentials.ca):
        with contextlib.suppress(ValueError):
            found.append(_name(x509.load_pem_x509_certificate(block).subject))
    return "; ".join(found[:_MAX_NAMES])


def _name(name: "x509.Name") -> str:
    return clean(name.rfc4514_string()) or "nobody"
