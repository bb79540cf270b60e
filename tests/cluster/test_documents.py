"""What README.md tells people to type does what README.md says; and the example manifests are taken as they are."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tests.support.cluster import Cluster
from tests.support.documents import PAGES, REPOSITORY, checkout, executed, run

from localstack.stack import Stack

_README = REPOSITORY / "README.md"
_EXAMPLES = sorted((REPOSITORY / "manifests/examples").glob("*.yaml"))
_PAGES = [page for page in PAGES if page != _README and executed(page)]
_NAMESPACE = "payments"


@contextmanager
def _story(stack: Stack, folder: Path) -> Iterator[Path]:
    """A checkout; what the story made is taken away at the end."""
    kubectl, admin = stack.control_plane.kubectl, stack.admin_kubeconfig
    try:
        yield checkout(stack, folder)
    finally:
        for what in (("approver", "carol"), ("protectionpolicy", "production"), ("namespace", _NAMESPACE)):
            kubectl.must(admin, "delete", *what, "--ignore-not-found")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_readmes_commands_do_what_it_says(stack: Stack, tmp_path: Path, shell: str) -> None:
    """Refused, approved with kubectl and ssh-keygen alone, done; for a deployment, and for a namespace."""
    assert sum(block.refused for block in executed(_README)) == 2, "the story has an agent refused twice"
    with _story(stack, tmp_path) as folder:
        run(_README, folder, shell, os.environ["PATH"])


@pytest.mark.parametrize("page", _PAGES, ids=[page.stem for page in _PAGES])
def test_the_commands_of_a_page_do_what_it_says(cluster: Cluster, stack: Stack, tmp_path: Path, page: Path) -> None:
    """Each page stands for itself: what it needs is set up by commands of its own, which readers do not see."""
    programs = [stack.folder / "bin", Path(sys.executable).parent]
    try:
        run(
            page,
            checkout(stack, tmp_path),
            "bash",
            os.pathsep.join((*map(str, programs), os.environ["PATH"])),
            {"KUBECONFIG": str(stack.admin_kubeconfig), "NAMESPACE": cluster.namespace},
        )
    finally:
        # The agent is everybody's: other tests count on nobody being recorded for it.
        kiro = ("serviceaccount", "kiro", "--namespace=seconder-agents")
        cluster.admin("annotate", *kiro, "seconder.dev/operator-", "seconder.dev/token-end-")


@pytest.mark.parametrize("file", _EXAMPLES, ids=[file.stem for file in _EXAMPLES])
def test_each_example_is_taken_and_becomes_ready(cluster: Cluster, file: Path) -> None:
    """The API server takes it by its strict schema, and the operator finds nothing to mend."""
    documents = list(yaml.safe_load_all(file.read_text()))
    assert documents
    try:
        cluster.admin("apply", "--dry-run=server", f"--filename={file}")
        cluster.admin("apply", f"--filename={file}")
        cluster.admin("wait", "--for=condition=Ready", "--timeout=10s", f"--filename={file}")
    finally:
        cluster.admin("delete", "--ignore-not-found", f"--filename={file}")


def test_there_are_examples_of_all_kinds() -> None:
    """A test without examples would check nothing."""
    kinds = {document["kind"] for file in _EXAMPLES for document in yaml.safe_load_all(file.read_text())}
    assert kinds == {"ProtectionPolicy", "Approver", "ApproverAuthority"}


def test_the_documented_function_of_ten_lines_reaches_a_quorum(cluster: Cluster, tmp_path: Path) -> None:
    """Two peers, kubectl and ssh-keygen: each signs the change request's own statement."""
    function = _function()
    assert len(function.splitlines()) <= 10
    cluster.policy(f"two-{cluster.namespace}", approvals={"required": 2})
    cluster.deployment()
    answer = cluster.delete(cluster.agent)
    named = re.search("^change request: (chg-.*)$", answer.err, re.MULTILINE)
    assert named, answer.err
    cluster.admin("wait", "--for=create", f"chg/{named[1]}", "--timeout=30s")
    cluster.admin("wait", "--for=jsonpath={.status.statement}", f"chg/{named[1]}", "--timeout=30s")
    for person in (cluster.alice, cluster.bob):
        line = f"seconder_approve {named[1]} {person.key} {person.principal} 'INC-4821 decommission'"
        done = subprocess.run(
            ["sh", "-c", f"{function}\n{line}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={
                "PATH": f"{cluster.stack.folder / 'bin'}:{os.environ['PATH']}",
                "KUBECONFIG": str(person.kubeconfig),
                "HOME": str(tmp_path),
            },
        )
        assert done.returncode == 0, done.stderr
    assert cluster.delete(cluster.agent).code == 0


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize(
    ("principal", "reason"),
    [
        ("carol+oncall@example.com", "INC-4821: 100% sure; $(id) `id` $HOME & more"),
        ("d'arcy o'brien@example.com", "it's what INC-4821 asks for"),
        (
            "J\u00fcrgen M\u00fc\u00dfig-\u0141\u0105ski@b\u00fccher.example",
            "Aufr\u00e4umen \u2014 \u7d42\u4e86 \U0001f5d1",
        ),
        ("Carol van der Berg", "spaces, and no @"),
        ("-n %s *?[a-z]~{}=,;|<>", "-e is no option, and = no end"),
        ("spiffe://example.com/ns/ops/sa/" + "approver-of-many-things-" * 8, "a long name"),
    ],
)
def test_the_documented_function_takes_whatever_people_are_called(
    cluster: Cluster, tmp_path: Path, shell: str, principal: str, reason: str
) -> None:
    """Signs, quotes, spaces and letters that no ASCII has: signed as they stand, and the agent goes on."""
    folder = tmp_path / "carol's keys \u00fc"
    folder.mkdir()
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    name = f"carol-{cluster.namespace}"[:60].rstrip("-")
    ssh = key.with_suffix(".pub").read_text().strip()
    spec = {"principal": principal, "kubernetesUsers": [f"{name}@example.com"], "keys": [{"name": "k", "ssh": ssh}]}
    approver = {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "metadata": {"name": name}, "spec": spec}
    cluster.apply(approver)
    try:
        cluster.admin("wait", "--for=condition=Ready", "--timeout=30s", f"approver/{name}")
        cluster.deployment()
        named = re.search("^change request: (chg-.*)$", cluster.delete(cluster.agent).err, re.MULTILINE)
        assert named
        cluster.admin("wait", "--for=create", f"chg/{named[1]}", "--timeout=30s")
        cluster.admin("wait", "--for=jsonpath={.status.statement}", f"chg/{named[1]}", "--timeout=30s")
        done = subprocess.run(
            [shell, "-c", f'{_function()}\nseconder_approve "$@"', "sh", named[1], key, principal, reason],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={
                "PATH": f"{cluster.stack.folder / 'bin'}:{os.environ['PATH']}",
                "KUBECONFIG": str(cluster.alice.kubeconfig),
                "HOME": str(tmp_path),
            },
        )
        assert done.returncode == 0, done.stderr
        (approval,) = [
            value
            for annotation, value in cluster.get("deployment", "checkout")["metadata"]["annotations"].items()
            if annotation.startswith("approval.seconder.dev/")
        ]
        statement = json.loads(approval.partition("\n")[0])
        assert (statement["iss"], statement["reason"]) == (principal, reason)
        assert cluster.delete(cluster.agent).code == 0
    finally:
        cluster.admin("delete", "approver", name)


def _function() -> str:
    """The shell function of the README, as it stands there."""
    found = re.search(r"^seconder_approve\(\) .*?^\)$", _README.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[0]
