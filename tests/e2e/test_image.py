"""What is in Seconder's image, and that it runs as a restricted pod."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.markers import Marker
from tests.e2e.unpacked import Unpacked

from localstack.probe import Probe
from localstack.seconder import NAMESPACE, Seconder
from node import image
from node.node import Node

ROOT = Path(__file__).parents[2]
MEGABYTE = 1_000_000
UNCHECKED_HASH = 0b01
"""Flags in a .pyc's second word: by hash, and never checked. Source: PEP 552."""

SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
TEMPORARY = {"volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "seconder-webhook", "namespace": NAMESPACE},
    "spec": {"selector": {"app": "webhook"}, "ports": [{"port": 443, "targetPort": 9443}]},
}


def pod(name: str, namespace: str, *arguments: str, account: str = "default") -> dict[str, Any]:
    """Give a pod that the strictest level of Pod Security admits; it may write to /tmp alone, in memory."""
    container = {
        "name": "seconder",
        "image": image.name(),
        "imagePullPolicy": "Never",
        "args": list(arguments),
        "securityContext": SECURITY,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": [container], "restartPolicy": "Never", "serviceAccountName": account} | TEMPORARY,
    }


def kubectl(node: Node, *arguments: str, stdin: str = "") -> str:
    """Run kubectl as the administrator."""
    return node.kubectl.must(node.admin_kubeconfig, *arguments, stdin=stdin)


def restrict(node: Node, namespace: str) -> None:
    """Let the API server refuse every pod in the namespace that is not restricted."""
    kubectl(node, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")


@pytest.fixture
def namespace(node: Node) -> Iterator[str]:
    """A namespace for restricted pods."""
    name = f"image-{os.urandom(3).hex()}"
    kubectl(node, "create", "namespace", name)
    restrict(node, name)
    deadline = time.monotonic() + 30
    while not kubectl(node, "get", "serviceaccounts", f"--namespace={name}", "--output=name").strip():
        assert time.monotonic() < deadline, "no ServiceAccount"
        time.sleep(0.1)
    yield name
    kubectl(node, "delete", "namespace", name)


@pytest.fixture(scope="session")
def bill(unpacked: Unpacked) -> dict[str, Any]:
    """The software bill of materials in the image."""
    document: dict[str, Any] = json.loads((unpacked.root / "usr/share/sbom/seconder.cdx.json").read_text())
    return document


def listed(bill: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Give each component whose purl has this beginning, by the name in its purl."""
    found = [each for each in bill["components"] if each["purl"].startswith(f"pkg:{kind}/")]
    return {unquote(each["purl"].removeprefix(f"pkg:{kind}/").partition("@")[0]): each for each in found}


def versions(components: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Give the version of each."""
    return {name: each["version"] for name, each in components.items()}


def locked() -> dict[str, tuple[str, set[str]]]:
    """Give version and digests of each package that the lock has for the image's Python, by name."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    found = {}
    environment = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux"}
    for line in text.splitlines():
        requirement, *hashes = line.split(" --hash=sha256:")
        pinned, _, marker = requirement.partition(";")
        name, _, version = pinned.strip().partition("==")
        if not marker or Marker(marker).evaluate(environment):
            found[name] = (version.strip(), {each.strip() for each in hashes})
    return found


def test_the_compressed_image_is_small(unpacked: Unpacked, figures: dict[str, str]) -> None:
    """What a node downloads."""
    figures["image, compressed"] = f"{unpacked.compressed_bytes / MEGABYTE:.0f} MB"
    assert unpacked.compressed_bytes <= 130 * MEGABYTE


def test_it_runs_as_a_restricted_pod(node: Node, namespace: str) -> None:
    """Not as root, on a root file system that is read-only, without capabilities, under the default seccomp profile."""
    kubectl(node, "create", "--filename=-", stdin=json.dumps(pod("version", namespace, "--version")))
    ended = ("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/version", "--timeout=30s")
    kubectl(node, *ended, f"--namespace={namespace}")
    assert kubectl(node, "logs", "version", f"--namespace={namespace}") == f"seconder {image.version()}\n"


def test_the_namespace_of_these_tests_refuses_pods_that_are_not_restricted(node: Node, namespace: str) -> None:
    """The tests above and below show what they say they show."""
    loose = pod("loose", namespace, "--version")
    del loose["spec"]["containers"][0]["securityContext"]
    refused = node.kubectl.run(node.admin_kubeconfig, "create", "--filename=-", stdin=json.dumps(loose))
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_operator_and_webhook_become_ready_as_restricted_pods(
    node: Node, tmp_path: Path, figures: dict[str, str]
) -> None:
    """One image serves both, by its arguments; both need no more to write to than a small /tmp."""
    Seconder(node.control_plane, tmp_path / "seconder").install()
    restrict(node, NAMESPACE)
    operator_arguments = ("operator", f"--webhook-service={NAMESPACE}/seconder-webhook:443")
    operator = pod("operator", NAMESPACE, *operator_arguments, account="seconder-operator")
    webhook = pod("webhook", NAMESPACE, "webhook", account="seconder-webhook")
    second = pod("second", NAMESPACE, "webhook", account="seconder-webhook")
    try:
        kubectl(node, "create", "--filename=-", stdin=json.dumps(SERVICE))
        for document in (operator, webhook):
            kubectl(node, "create", "--filename=-", stdin=json.dumps(document))
        _uptime_when_ready(node, "webhook")
        _uptime_when_ready(node, "operator")
        # The first one waited for its certificate; this one finds all that it needs.
        kubectl(node, "create", "--filename=-", stdin=json.dumps(second))
        ready_at = _uptime_when_ready(node, "second")
        started_at, peak = _start_and_peak(node, "second")
        figures["webhook, from the process's start to ready"] = f"{ready_at - started_at:.1f} s"
        figures["webhook, most memory by then (resident)"] = f"{peak / MEGABYTE:.0f} MB"
        _, peak = _start_and_peak(node, "operator")
        figures["operator, most memory by then (resident)"] = f"{peak / MEGABYTE:.0f} MB"
    finally:
        kubectl(node, "delete", "namespace", NAMESPACE)
        kubectl(node, "delete", "--filename", str(ROOT / "manifests" / "crds"))


def _uptime_when_ready(node: Node, name: str) -> float:
    """Wait until the pod says that it is ready; give this machine's seconds since boot then."""
    wait = ("wait", "--for=jsonpath={.status.podIP}", f"pod/{name}", f"--namespace={NAMESPACE}", "--timeout=30s")
    kubectl(node, *wait)
    shown = ("get", "pod", name, f"--namespace={NAMESPACE}", "--output=jsonpath={.status.podIP}")
    ready = Probe(f"http://{kubectl(node, *shown)}:9090/readyz")
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline, kubectl(node, "logs", name, f"--namespace={NAMESPACE}")
        time.sleep(0.02)
    return float(Path("/proc/uptime").read_text().split()[0])


def _start_and_peak(node: Node, name: str) -> tuple[float, int]:
    """Give when the pod's process started, in seconds since boot, and the most bytes of memory it has had."""
    read = "print(open('/proc/1/stat').read().rpartition(')')[2].split()[19], open('/proc/1/status').read())"
    shown = kubectl(node, "exec", name, f"--namespace={NAMESPACE}", "--", "python3", "-c", read)
    peak = re.search(r"VmHWM:\s+(\d+) kB", shown)
    assert peak is not None
    return int(shown.split()[0]) / os.sysconf("SC_CLK_TCK"), int(peak[1]) * 1024


def test_no_shell_is_needed(unpacked: Unpacked, tmp_path: Path) -> None:
    """It starts where every shell is away. Debian's own are in the image; nothing of ours calls them."""
    root = tmp_path / "root"
    subprocess.run(["cp", "--archive", unpacked.root, root], check=True)
    for name in ("sh", "bash", "dash", "rbash"):
        (root / "usr/bin" / name).unlink(missing_ok=True)
    done = subprocess.run(
        ["/usr/sbin/chroot", "--userspec=65532:65532", root, "/opt/seconder/bin/seconder", "--version"],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    assert done.stdout == f"seconder {image.version()}\n", done.stderr
    assert unpacked.config["Entrypoint"] == ["seconder"]


def test_the_bill_is_valid_by_the_schema(bill: dict[str, Any]) -> None:
    """CycloneDX's own, with every package of the image in it."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_the_bill_lists_what_the_lock_pins(bill: dict[str, Any]) -> None:
    """Neither more nor less than what the lock has for this system, at its versions."""
    assert versions(listed(bill, "pypi")) == {name: version for name, (version, _) in locked().items()}


def test_the_bill_has_the_digest_of_each_wheel(bill: dict[str, Any]) -> None:
    """It is one of those that the lock admits."""
    admitted = {name: digests for name, (_, digests) in locked().items()}
    for name, each in listed(bill, "pypi").items():
        (digest,) = each["hashes"]
        assert digest["alg"] == "SHA-256"
        assert digest["content"] in admitted[name], name


def test_the_bill_lists_every_debian_package(bill: dict[str, Any], unpacked: Unpacked) -> None:
    """Scanners see the same by dpkg's own list."""
    assert versions(listed(bill, "deb/debian")) == unpacked.debian_packages()
    assert "python3" in listed(bill, "deb/debian")


def test_nothing_of_the_build_is_left(unpacked: Unpacked) -> None:
    """No installer, no setting of the machine that built it, no package lists."""
    packages = unpacked.root / "opt/seconder/lib/python3.13/site-packages"
    assert (packages / "seconder").is_dir()
    left = [packages / name for name in ("pip", "setuptools", "cyclonedx")]
    left += [unpacked.root / "etc/pip.conf", unpacked.root / "source"]
    assert [path for path in left if path.exists()] == []
    assert not list((unpacked.root / "run").rglob("*.pem"))
    assert not list((unpacked.root / "var/lib/apt/lists").rglob("*"))
    names = {entry.partition("=")[0] for entry in unpacked.config["Env"]}
    assert names == {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "SECONDER_REVISION"}


def test_everything_is_compiled_for_good(unpacked: Unpacked) -> None:
    """A read-only pod could not keep what it compiles, and would compile at every start."""
    sources = list((unpacked.root / "opt/seconder/lib").rglob("*.py"))
    assert len(sources) > 1000
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        assert int.from_bytes(compiled.read_bytes()[4:8], "little") == UNCHECKED_HASH, source


def test_it_does_not_run_as_root(unpacked: Unpacked) -> None:
    """By number, for kubelet to check; and owned by root, so that it cannot change itself."""
    assert unpacked.config["User"] == "65532:65532"
    owners = {path.lstat().st_uid for path in (unpacked.root / "opt").rglob("*")}
    assert owners == {0}


def test_its_labels_say_what_it_is(unpacked: Unpacked) -> None:
    """By the names of the OCI."""
    labels = unpacked.config["Labels"]
    assert labels["org.opencontainers.image.title"] == "seconder"
    assert labels["org.opencontainers.image.version"] == image.version()
    assert re.fullmatch(r"[0-9a-f]{40}|", labels["org.opencontainers.image.revision"])
