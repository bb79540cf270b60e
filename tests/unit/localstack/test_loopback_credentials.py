"""Certificates, kubeconfigs and ports of the local stack."""

import datetime
import ipaddress
import os
import socket
import stat
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from localstack.files import write_private
from localstack.kubeconfig import Token, write_kubeconfig
from localstack.pki import Authority, KeyPair, new_signing_key
from localstack.ports import free_ports


def store_of(authority: Authority) -> Store:
    """Trust one authority."""
    return Store([x509.load_pem_x509_certificate(authority.pem.certificate)])


def leaf_of(pair: KeyPair) -> x509.Certificate:
    """Read a certificate; its key must be its own."""
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    key = load_pem_private_key(pair.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert certificate.public_key() == key.public_key()
    return certificate


@pytest.mark.parametrize(
    "name",
    [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
        x509.DNSName("localhost"),
        x509.DNSName("kubernetes"),
        x509.DNSName("kubernetes.default"),
        x509.DNSName("kubernetes.default.svc"),
    ],
)
def test_the_servers_certificate_verifies_for_each_of_its_names(name: x509.IPAddress | x509.DNSName) -> None:
    """A strict verifier (RFC 5280, webpki profile) accepts the chain for every name that clients use."""
    authority = Authority()
    verifier = PolicyBuilder().store(store_of(authority)).build_server_verifier(name)
    chain = verifier.verify(leaf_of(authority.issue_server()), [])
    assert len(chain) == 2


def test_the_servers_certificate_is_for_no_other_name_and_no_other_authority() -> None:
    """Neither a foreign name nor a foreign CA of the same name verifies."""
    authority = Authority()
    leaf = leaf_of(authority.issue_server())
    with pytest.raises(VerificationError):
        PolicyBuilder().store(store_of(authority)).build_server_verifier(x509.DNSName("example.com")).verify(leaf, [])
    with pytest.raises(VerificationError):
        PolicyBuilder().store(store_of(Authority())).build_server_verifier(x509.DNSName("localhost")).verify(leaf, [])


def test_a_client_certificate_names_user_and_groups() -> None:
    """The API server reads the user from CN and one group from each O; the chain verifies for a client."""
    authority = Authority()
    leaf = leaf_of(authority.issue_client("dana@example.com", ["people", "oncall"]))
    policy = ExtensionPolicy.permit_all()
    verifier = (
        PolicyBuilder()
        .store(store_of(authority))
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=policy)
        .build_client_verifier()
    )
    assert len(verifier.verify(leaf, []).chain) == 2
    values = {(attribute.rfc4514_attribute_name, attribute.value) for attribute in leaf.subject}
    assert values == {("CN", "dana@example.com"), ("O", "people"), ("O", "oncall")}
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_leaf_can_issue_nothing() -> None:
    """Only the CA is a CA."""
    leaf = leaf_of(Authority().issue_client("dana@example.com"))
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_certificates_hold_from_a_little_before_now() -> None:
    """A clock that is set back by a minute does not stop the stack."""
    leaf = leaf_of(Authority().issue_server())
    now = datetime.datetime.now(datetime.UTC)
    assert leaf.not_valid_before_utc < now - datetime.timedelta(minutes=4)
    assert leaf.not_valid_after_utc > now + datetime.timedelta(days=360)


def test_the_key_for_tokens_is_one_that_kubernetes_signs_with() -> None:
    """ES256 needs P-256."""
    key = load_pem_private_key(new_signing_key(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)


def test_a_kubeconfig_is_complete_and_private(tmp_path: Path) -> None:
    """It needs no other file, and only its owner can read it, even where a wider file stood before."""
    path = tmp_path / "dana.kubeconfig"
    path.write_text("old")
    path.chmod(0o644)
    write_kubeconfig(path, "https://127.0.0.1:1234", b"ca", KeyPair(b"certificate", b"key"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = yaml.safe_load(path.read_text())
    context = {entry["name"]: entry["context"] for entry in document["contexts"]}[document["current-context"]]
    cluster = {entry["name"]: entry["cluster"] for entry in document["clusters"]}[context["cluster"]]
    user = {entry["name"]: entry["user"] for entry in document["users"]}[context["user"]]
    assert cluster["server"] == "https://127.0.0.1:1234"
    assert b64decode(cluster["certificate-authority-data"]) == b"ca"
    assert b64decode(user["client-certificate-data"]) == b"certificate"
    assert b64decode(user["client-key-data"]) == b"key"


def test_a_kubeconfig_with_a_token_holds_nothing_else_to_log_in_with(tmp_path: Path) -> None:
    """A ServiceAccount is that ServiceAccount only."""
    path = tmp_path / "agent.kubeconfig"
    write_kubeconfig(path, "https://127.0.0.1:1234", b"ca", Token("secret"))
    assert yaml.safe_load(path.read_text())["users"] == [{"name": "agent", "user": {"token": "secret"}}]


def test_a_private_file_that_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    """No half-written secret stays beside it."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_private(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_ports_are_different_and_free_and_out_of_reach_of_outgoing_connections() -> None:
    """Linux hands out ports from 32768 on, macOS from 49152 on."""
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < 32_768
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


def test_a_port_is_given_to_one_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nobody listens on it yet: a stack that starts at the same moment gets another one."""
    [port] = free_ports(1)
    code = f"from localstack import ports\nports._RANGE = range({port}, {port} + 1)\nports.free_ports(1)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "OSError: fewer than 1 free ports" in other.stderr
    monkeypatch.setattr("localstack.ports._RANGE", range(port, port + 1))
    with pytest.raises(OSError, match="fewer than 1 free port"):
        free_ports(1)


def test_a_port_in_use_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one port to choose from it is given while it is free; when it is taken, that is said."""
    [port] = free_ports(1)
    monkeypatch.setattr("localstack.ports._RANGE", range(port, port + 1))
    monkeypatch.setattr("localstack.ports._given", set())
    assert free_ports(1) == [port]
    monkeypatch.setattr("localstack.ports._given", set())
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match="fewer than 1 free port"):
        free_ports(1)
