"""What README.md tells people to type does what README.md says; and the example manifests are taken as they are."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from tests.support.cluster import Cluster

from localstack.stack import Stack

_REPOSITORY = Path(__file__).parents[2]
_README = _REPOSITORY / "README.md"
_EXAMPLES = sorted((_REPOSITORY / "manifests/examples").glob("*.yaml"))
_FENCE = re.compile(r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "@@ end of block"
_NAMESPACE = "payments"
_SECONDS = 120


@dataclass
class Block:
    """Commands as they stand in the README, whether they must fail, and lines that they must print."""

    commands: str
    refused: bool
    printed: list[str] = field(default_factory=list)


def _blocks() -> list[Block]:
    blocks: list[Block] = []
    for found in _FENCE.finditer(_README.read_text()):
        mark, body = found["mark"], found["body"]
        if mark == "printed":
            blocks[-1].printed = body.splitlines()
        elif found["kind"] == "sh":
            assert mark in {"executed", "executed: refused"}, f"these commands are not executed:\n{body}"
            blocks.append(Block(body, mark == "executed: refused"))
    return blocks


def _script(blocks: list[Block]) -> str:
    """Run the blocks one after the other in one shell, as a person would; stop at the first that fails unexpectedly."""
    parts = []
    for block in blocks:
        parts.append("set +e\n" if block.refused else "set -e\n")
        parts.append(f"{block.commands}printf '\\n{_END} %s\\n' \"$?\"\n")
    return "".join(parts)


@contextmanager
def _checkout(stack: Stack, folder: Path) -> Iterator[Path]:
    """A folder that looks like a checkout after ``make up``; what the commands made is taken away at the end."""
    local = folder / ".local"
    local.mkdir()
    for each in stack.folder.iterdir():
        local.joinpath(each.name).symlink_to(each)
    folder.joinpath("manifests").symlink_to(_REPOSITORY / "manifests")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for program in ("kubectl-seconder", "kubectl_complete-seconder"):
        programs.joinpath(program).symlink_to(Path(sys.executable).with_name(program))
    kubectl, admin = stack.control_plane.kubectl, stack.admin_kubeconfig
    try:
        yield folder
    finally:
        for what in (("approver", "carol"), ("protectionpolicy", "production"), ("namespace", _NAMESPACE)):
            kubectl.must(admin, "delete", *what, "--ignore-not-found")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_readmes_commands_do_what_it_says(stack: Stack, tmp_path: Path, shell: str) -> None:
    """Refused, approved with kubectl and ssh-keygen alone, done; for a deployment, and for a namespace."""
    blocks = _blocks()
    assert sum(block.refused for block in blocks) == 2, "the story has an agent refused twice"
    with _checkout(stack, tmp_path) as folder:
        done = subprocess.run(
            [shell],
            input=f"exec 2>&1\n{_script(blocks)}",
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            timeout=_SECONDS,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "KUBERC": "off", "LANG": "C.UTF-8"},
        )
    *outputs, rest = re.split(rf"\n{_END} (\d+)\n", done.stdout)
    answers = list(zip(outputs[0::2], outputs[1::2], strict=True))
    assert len(answers) == len(blocks), f"this block failed:\n{blocks[len(answers)].commands}\n{rest}{done.stderr}"
    for block, (output, code) in zip(blocks, answers, strict=True):
        assert (code != "0") == block.refused, f"{block.commands}\n{output}"
        if block.refused:
            assert " denied the request: " in output, output
        for line in block.printed:
            pattern = ".*".join(map(re.escape, line.split("...")))
            assert re.search(f"^{pattern}$", output, re.MULTILINE), f"not printed: {line}\n{output}"


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


def test_there_are_examples_of_both_kinds() -> None:
    """A test without examples would check nothing."""
    kinds = {document["kind"] for file in _EXAMPLES for document in yaml.safe_load_all(file.read_text())}
    assert kinds == {"ProtectionPolicy", "Approver"}


def test_every_file_that_the_readme_links_is_there() -> None:
    """So are the ones that the documents link among themselves."""
    for page in (_README, *(_REPOSITORY / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert page.parent.joinpath(target).exists(), f"{page.name} links {target}"


def test_the_documented_function_of_ten_lines_reaches_a_quorum(cluster: Cluster, tmp_path: Path) -> None:
    """Two peers, kubectl and ssh-keygen: each signs the change request's own statement."""
    found = re.search(r"^seconder_approve\(\) .*?^\)$", _README.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    assert len(found[0].splitlines()) <= 10
    cluster.policy(f"two-{cluster.namespace}", approvals={"required": 2})
    cluster.deployment()
    answer = cluster.delete(cluster.agent)
    named = re.search("^change request: (chg-.*)$", answer.err, re.MULTILINE)
    assert named, answer.err
    cluster.admin("wait", "--for=create", f"chg/{named[1]}", "--timeout=5s")
    cluster.admin("wait", "--for=jsonpath={.status.statement}", f"chg/{named[1]}", "--timeout=5s")
    for person in (cluster.alice, cluster.bob):
        line = f"seconder_approve {named[1]} {person.key} {person.principal} 'INC-4821 decommission'"
        done = subprocess.run(
            ["sh", "-c", f"{found[0]}\n{line}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env={
                "PATH": f"{cluster.stack.folder / 'bin'}:{os.environ['PATH']}",
                "KUBECONFIG": str(person.kubeconfig),
                "HOME": str(tmp_path),
            },
        )
        assert done.returncode == 0, done.stderr
    assert cluster.delete(cluster.agent).code == 0
