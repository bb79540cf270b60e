"""What a pod and long-running programs meet. Kubeconfigs beside the real kubectl are a cluster test."""

import json
from pathlib import Path
from typing import Any

import pytest

from seconder.client import client_config, credentials
from seconder.client.client_config import Overrides
from seconder.client.credentials import Credentials, Impersonation, NoCredentials


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod without a kubeconfig; the folder of its ServiceAccount."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    folder.joinpath("token").write_text("pod-token\n")
    folder.joinpath("ca.crt").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    folder.joinpath("namespace").write_text("payments\n")
    monkeypatch.setattr(client_config, "_POD", folder)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "2001:db8::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "POD_NAMESPACE", "KUBERNETES_MASTER", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return folder


def _config(folder: Path, user: dict[str, Any], **context: str) -> str:
    path = folder / "config"
    known = {"cluster": "c", "user": "u"} | context
    document = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": known}],
    }
    path.write_text(json.dumps(document))
    return str(path)


def _authorization(found: Credentials) -> str:
    return found.identity().authorization


def test_a_pod_without_a_kubeconfig_acts_as_its_service_account(pod: Path) -> None:
    """In its own namespace, and with the token that is there at that moment."""
    found = client_config.load_for_person(None)
    assert (found.server, found.namespace) == ("https://[2001:db8::1]:443", "payments")
    assert _authorization(found) == "Bearer pod-token"
    pod.joinpath("token").write_text("renewed")
    assert _authorization(found) == "Bearer renewed"
    pod.joinpath("token").write_text("")
    assert _authorization(found) == "Bearer renewed"
    pod.joinpath("token").write_text("again")
    assert _authorization(client_config.load(None)) == "Bearer again"


def test_the_pods_namespace_is_everybodys_in_it(pod: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a kubeconfig too, unless the context, the environment or the command line says another."""
    config = _config(tmp_path, {"token": "t"})
    assert client_config.load_for_person(config).namespace == "payments"
    monkeypatch.setenv("POD_NAMESPACE", "told")
    assert client_config.load_for_person(config).namespace == "told"
    assert client_config.load_for_person(None, Overrides(namespace="flag")).namespace == "flag"
    assert client_config.load_for_person(_config(tmp_path, {"token": "t"}, namespace="ctx")).namespace == "ctx"
    pod.joinpath("token").unlink()
    assert client_config.load_for_person(_config(tmp_path, {"token": "t"})).namespace == "default"


def test_the_pods_token_goes_to_no_other_server(pod: Path) -> None:
    """A server on the command line has to come with a credential."""
    with pytest.raises(NoCredentials, match="nothing is asked for anonymously"):
        client_config.load_for_person(None, Overrides(server="https://elsewhere.example"))
    found = client_config.load_for_person(None, Overrides(server="https://elsewhere.example", token="own"))
    assert (_authorization(found), found.ca) == ("Bearer own", b"")


def test_flags_apply_in_a_pod_too(pod: Path) -> None:
    """A token replaces the pod's; impersonation is sent with it; a certificate beside it would be ambiguous."""
    found = client_config.load_for_person(None, Overrides(token="own", as_user="erin", as_groups=("a",)))
    assert _authorization(found) == "Bearer own"
    assert found.impersonation == Impersonation("erin", "", ("a",), {})
    with pytest.raises(NoCredentials, match="--client-certificate needs a kubeconfig"):
        client_config.load_for_person(None, Overrides(client_certificate="x", client_key="y"))


def test_a_pods_broken_kubeconfig_is_told_and_not_passed_over(pod: Path, tmp_path: Path) -> None:
    """Else the pod would ask in the place of whom the kubeconfig means."""
    config = _config(tmp_path, {"token": "t"}, cluster="gone")
    with pytest.raises(NoCredentials, match="no 'gone' under clusters"):
        client_config.load_for_person(config)
    with pytest.raises(NoCredentials, match="it is not there"):
        client_config.load_for_person(str(tmp_path / "gone"))
    with pytest.raises(NoCredentials, match=r"token file .* cannot be read"):
        client_config.load_for_person(_config(tmp_path, {"tokenFile": "gone"}))


def test_outside_of_a_pod_a_service_needs_a_kubeconfig(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(NoCredentials, match="no credentials: pass --kubeconfig FILE, or run in a pod"):
        client_config.load(None)
    with pytest.raises(NoCredentials, match="no kubeconfig: pass --kubeconfig FILE, or set KUBECONFIG"):
        client_config.load_for_person(None)


def test_a_token_file_that_goes_away_leaves_the_last_token(tmp_path: Path) -> None:
    """As client-go keeps it; never an empty one."""
    path = tmp_path / "token"
    path.write_text("one")
    read = credentials.token_of(path)
    assert read() == "one"
    path.unlink()
    assert read() == "one"
    with pytest.raises(NoCredentials, match="cannot be read"):
        credentials.token_of(path)()
    assert credentials.token_of(path, "other")() == "other"


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    """One line that says what is wrong, and what there is."""
    with pytest.raises(NoCredentials, match="no 'there' under contexts: --context is one of c"):
        client_config.load_for_person(_config(tmp_path, {"token": "t"}), Overrides(context="there"))
