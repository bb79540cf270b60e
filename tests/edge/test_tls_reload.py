"""The serving certificate: loaded, exchanged under load, and never exchanged for something broken."""

import os
import signal
import socket
import ssl
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.edge.conftest import Start
from tests.support.http import DEADLINE, Pair, Served, context, post

from seconder.http.tls import ServingCertificate


def test_there_is_nothing_to_serve_with_before_the_first_certificate() -> None:
    """An empty holder says so."""
    empty = ServingCertificate()
    assert (empty.context, empty.not_after) == (None, None)


def test_the_end_of_the_certificate_in_use_can_be_read(pair: Pair) -> None:
    """For the metric, and for the chain's leaf."""
    other, certificate = Pair(days=3), ServingCertificate()
    certificate.reload(pair.certificate, pair.key)
    assert certificate.not_after == pair.not_after
    certificate.reload(other.certificate + pair.certificate, other.key)
    assert certificate.not_after == other.not_after


def test_a_key_of_another_certificate_is_refused_and_the_old_pair_kept(pair: Pair) -> None:
    """Served as it is, it would break every new handshake."""
    certificate = ServingCertificate()
    certificate.reload(pair.certificate, pair.key)
    kept = certificate.context
    with pytest.raises(ValueError, match="do not belong together"):
        certificate.reload(Pair(days=3).certificate, Pair().key)
    assert certificate.context is kept
    assert certificate.not_after == pair.not_after


@pytest.mark.parametrize("broken", ["certificate", "key", "both", "swapped", "encrypted", "half"])
def test_what_cannot_be_read_is_refused_without_showing_it(pair: Pair, broken: str) -> None:
    """ValueError, promptly, with no piece of either PEM in it; an encrypted key does not wait for a password."""
    certificates, key = {
        "certificate": (b"nonsense", pair.key),
        "key": (pair.certificate, b"nonsense"),
        "both": (b"", b""),
        "swapped": (pair.key, pair.certificate),
        "encrypted": (pair.certificate, pair.encrypted_key()),
        "half": (pair.certificate, pair.key[: len(pair.key) // 2]),
    }[broken]
    certificate = ServingCertificate()
    with pytest.raises(ValueError, match="serving certificate") as raised:
        certificate.reload(certificates, key)
    shown = f"{raised.value} {raised.value.__cause__} {raised.value.args}"
    assert not any(line in shown for line in pair.key.decode().splitlines())
    assert certificate.context is None


def test_the_key_is_on_disk_for_a_moment_and_for_this_process_alone(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0600 in a folder of its own under the folder for temporary files, and gone afterwards, also when refused."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir("/")
    modes = []
    load = ssl.SSLContext.load_cert_chain

    def spy(made: ssl.SSLContext, certfile: Path, *rest: object, **named: object) -> None:
        modes.append((stat.S_IMODE(os.stat(certfile).st_mode), stat.S_IMODE(os.stat(certfile.parent).st_mode)))
        assert certfile.parent.parent == tmp_path
        load(made, certfile, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    certificate = ServingCertificate()
    certificate.reload(pair.certificate, pair.key)
    with pytest.raises(ValueError):
        certificate.reload(pair.certificate, Pair().key)
    assert modes == [(0o600, 0o700)] * 2
    assert list(tmp_path.iterdir()) == []


def test_reviews_are_not_served_before_there_is_a_certificate(start: Start, tmp_path: Path, pair: Pair) -> None:
    """The API server is refused at once instead of being left waiting; serving begins with the certificate."""
    server = start(tmp_path)
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    pair.write(tmp_path)
    server.tell(signal.SIGHUP)
    server.wait_for("ready")
    client = server.client()
    assert post(client, {"uid": "1"})[0] == 200
    client.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server of this file has its pair."""
    return tmp_path_factory.mktemp("rotated")


@pytest.fixture(scope="module")
def rotated(folder: Path, pair: Pair) -> Iterator[Served]:
    """One server, which begins with ``pair``."""
    pair.write(folder)
    with Served(folder) as served:
        served.wait_for("ready")
        yield served
        assert served.stop() == (0, "drained", "")


@pytest.fixture
def server(rotated: Served, folder: Path, pair: Pair) -> Served:
    """The same, back at ``pair``."""
    pair.write(folder)
    rotated.tell(signal.SIGHUP)
    rotated.wait_for("loaded")
    return rotated


def test_a_new_certificate_is_for_new_connections_and_open_ones_stay(server: Served, folder: Path, pair: Pair) -> None:
    """Pitfall of a rotation: a dropped connection is a failed review."""
    old = server.client()
    assert post(old, {"uid": "1"})[0] == 200
    port = old.sock.getsockname()
    other = Pair()
    other.write(folder)
    server.tell(signal.SIGHUP)
    server.wait_for("loaded")
    assert post(old, {"uid": "2"})[0] == 200
    assert old.sock.getsockname() == port
    old.close()
    with server.connect() as new:
        assert new.getpeercert(binary_form=True) == other.der


def test_a_mismatched_pair_on_disk_breaks_no_new_handshake(server: Served, folder: Path, pair: Pair) -> None:
    """The files are replaced one after the other, so this moment comes with every rotation."""
    (folder / "tls.crt").write_bytes(Pair().certificate)
    server.tell(signal.SIGHUP)
    assert "do not belong together" in server.wait_for("kept")
    with server.connect() as sock:
        assert sock.getpeercert(binary_form=True) == pair.der


def test_rotating_over_and_over_fails_no_review(server: Served, folder: Path, pair: Pair) -> None:
    """Clients that keep their connection and clients that make new ones, all the while."""
    other = Pair()
    done = threading.Event()
    answered, failures = [0, 0], []

    def ask(kind: int) -> None:
        client = server.client()
        while not done.is_set():
            try:
                assert post(client, {"uid": "1"})[0] == 200
                answered[kind] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed review
                failures.append(error)
            if kind:
                client.close()
        client.close()

    threads = [threading.Thread(target=ask, args=(kind,)) for kind in (0, 0, 1, 1)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        (other, pair)[turn % 2].write(folder)
        server.tell(signal.SIGHUP)
        server.wait_for("loaded")
        time.sleep(0.02)  # the load in between is the point
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert min(answered) > 20


def test_tls_1_2_is_the_oldest_that_is_spoken(server: Served, pair: Pair) -> None:
    """1.2 and 1.3 are served; that nothing older is, the context says, as clients here may lack it too."""
    for newest, wanted in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        client_side = context()
        client_side.maximum_version = newest
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as plain,
            client_side.wrap_socket(plain) as sock,
        ):
            assert sock.version() == wanted
    certificate = ServingCertificate()
    certificate.reload(pair.certificate, pair.key)
    assert certificate.context is not None
    assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_http_1_1_is_agreed_on_even_with_clients_that_prefer_http_2(server: Served) -> None:
    """The API server speaks nothing else to webhooks; ALPN leaves no doubt."""
    client_side = context()
    client_side.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as plain,
        client_side.wrap_socket(plain) as sock,
    ):
        assert sock.selected_alpn_protocol() == "http/1.1"
