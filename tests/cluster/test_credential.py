"""One kubeconfig, two callers: a person's kubectl acts as the person, an assistant's as the agent. Real kubectl."""

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.support.cluster import AGENT, Cluster, Result
from tests.support.documents import blocks

from localstack.own_terminal import run_orphaned
from localstack.scene import HUMAN

_FILE = Path(__file__).name
_DOCUMENT = Path(__file__).parents[2] / "docs/assistants.md"
_ASSISTANT = {"CLAUDECODE": "1"}


@dataclass(frozen=True)
class Laptop:
    """A person's home, set up as docs/assistants.md says."""

    home: Path
    programs: Path

    @property
    def kubeconfig(self) -> Path:
        """What KUBECONFIG names here."""
        return self.home / "config"

    @property
    def environment(self) -> dict[str, str]:
        """What a shell of theirs has, and nothing of the shell that runs the tests."""
        path = os.pathsep.join(map(str, (self.programs, Path(sys.executable).parent, "/usr/bin", "/bin")))
        return {"PATH": path, "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig), "KUBERC": "off"}

    def kubectl(self, *arguments: str, **environment: str) -> Result:
        """Run kubectl below nobody, as a person does from a shell."""
        folder = Path(tempfile.mkdtemp(dir=self.home))
        done = run_orphaned(["kubectl", *arguments], self.environment | environment, folder)
        return Result(done.returncode, done.stdout, done.stderr)

    def as_assistant(self, *arguments: str) -> Result:
        """Run kubectl as an assistant's shell does."""
        return self.kubectl(*arguments, **_ASSISTANT)

    def tokens(self) -> list[Path]:
        """Give the tokens that are kept."""
        folder = self.home / ".cache/seconder/agent-tokens"
        return sorted(folder.iterdir()) if folder.exists() else []

    def change_arguments(self, change: Callable[[list[str]], list[str]]) -> None:
        """Change the plugin's arguments in the kubeconfig."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        for user in config["users"]:
            if "exec" in user["user"]:
                user["user"]["exec"]["args"] = change(user["user"]["exec"]["args"])
        self.kubeconfig.write_text(yaml.safe_dump(config))


def _laptop(cluster: Cluster, home: Path, kubeconfig: Path) -> Laptop:
    home.mkdir(exist_ok=True)
    laptop = Laptop(home, cluster.stack.folder / "bin")
    shutil.copy(kubeconfig, laptop.kubeconfig)
    done = subprocess.run(
        ["sh", "-eu"], input=_commands("person"), env=laptop.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return laptop


def _commands(mark: str) -> str:
    (found,) = [block for block in blocks(_DOCUMENT) if block.mark == f"executed by tests/cluster/{_FILE}: {mark}"]
    return found.commands


def _whoami(result: Result) -> str:
    assert result.code == 0, result.err
    return str(json.loads(result.out)["status"]["userInfo"]["username"])


_WHOAMI = ("auth", "whoami", "--output=json")


@pytest.fixture
def laptop(cluster: Cluster, tmp_path: Path) -> Laptop:
    """Dana's, with the agent kiro."""
    return _laptop(cluster, tmp_path / "home", cluster.stack.human_kubeconfig)


def test_a_person_is_the_person_and_an_assistant_the_agent(laptop: Laptop) -> None:
    """With the same kubeconfig and the same command; the person's kubectl asks for no token."""
    assert _whoami(laptop.kubectl(*_WHOAMI)) == HUMAN
    assert laptop.tokens() == []
    assert _whoami(laptop.as_assistant(*_WHOAMI)) == AGENT
    assert _whoami(laptop.kubectl(*_WHOAMI)) == HUMAN


def test_an_assistants_deletion_needs_a_peer_and_its_owners_does_not(cluster: Cluster, laptop: Laptop) -> None:
    """The reason for it all."""
    cluster.deployment()
    assert cluster.delete(laptop.as_assistant).refused_with("ApprovalMissing")
    assert cluster.exists("deployment", "checkout")
    cluster.approve(cluster.alice)
    assert cluster.delete(laptop.as_assistant).code == 0
    cluster.deployment("other")
    assert cluster.delete(laptop.kubectl, name="other").code == 0


def test_a_real_process_above_is_enough(laptop: Laptop, tmp_path: Path) -> None:
    """A script named like an assistant that starts kubectl, with nothing in the environment."""
    script = tmp_path / "aider"
    script.write_text("import subprocess, sys\nsys.exit(subprocess.run(sys.argv[1:]).returncode)\n")
    folder = tmp_path / "call"
    folder.mkdir()
    done = run_orphaned([sys.executable, script, "kubectl", *_WHOAMI], laptop.environment, folder)
    assert _whoami(Result(done.returncode, done.stdout, done.stderr)) == AGENT


def test_without_the_agents_account_nothing_is_done(cluster: Cluster, laptop: Laptop) -> None:
    """It fails with the reason; it is never done as the person instead."""
    cluster.deployment()
    laptop.change_arguments(lambda given: [each.replace("--agent=kiro", "--agent=gone") for each in given])
    result = cluster.delete(laptop.as_assistant)
    assert result.code != 0
    assert not result.refused
    assert 'serviceaccounts "gone" not found' in result.err
    assert "Traceback" not in result.err
    assert cluster.exists("deployment", "checkout")
    assert cluster.delete(laptop.kubectl).code == 0


def test_an_unusable_list_of_assistants_stops_everybody(cluster: Cluster, laptop: Laptop, tmp_path: Path) -> None:
    """A person too: who runs it can then not be told."""
    cluster.deployment()
    bad = tmp_path / "bad.yaml"
    bad.write_text("nonsense")
    result = cluster.delete(lambda *given: laptop.kubectl(*given, SECONDER_ASSISTANTS=str(bad)))
    assert result.code != 0
    assert f"list of assistants {bad} is not usable" in result.err
    assert cluster.exists("deployment", "checkout")


def test_calls_at_once_share_one_token_that_nobody_else_can_read(laptop: Laptop) -> None:
    """Each acts as the agent; one whole file is left, readable by its owner alone."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: laptop.as_assistant(*_WHOAMI), range(8)))
    assert list(map(_whoami, results)) == [AGENT] * 8
    (file,) = laptop.tokens()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    kept = file.read_text()
    assert json.loads(kept)["token"]
    assert _whoami(laptop.as_assistant(*_WHOAMI)) == AGENT
    assert file.read_text() == kept


def test_the_right_to_make_one_accounts_tokens_is_enough(cluster: Cluster, tmp_path: Path) -> None:
    """What the document lets an administrator grant, to a person who may do nothing else; without it, a failure."""
    person = f"erin-{cluster.namespace[-6:]}@example.com"
    kubeconfig = cluster.stack.control_plane.client_kubeconfig(person, path=tmp_path / "erin.kubeconfig")
    laptop = _laptop(cluster, tmp_path / "home", kubeconfig)
    assert _whoami(laptop.kubectl(*_WHOAMI)) == person
    refused = laptop.as_assistant(*_WHOAMI)
    assert refused.code != 0
    assert f'User "{person}" cannot create resource "serviceaccounts/token"' in refused.err
    commands = _commands("administrator").replace("dana@example.com", person)
    environment = laptop.environment | {"KUBECONFIG": str(cluster.stack.admin_kubeconfig)}
    subprocess.run(["sh", "-eu"], input=commands, env=environment, check=True, capture_output=True, text=True)
    try:
        assert _whoami(laptop.as_assistant(*_WHOAMI)) == AGENT
    finally:
        cluster.admin("delete", "-n", "seconder-agents", "role/token-of-kiro", "rolebinding/dana-runs-kiro")


def test_a_persons_own_plugin_is_asked_for_both(cluster: Cluster, laptop: Laptop, tmp_path: Path) -> None:
    """A company's login plugin behind this one: its credential is the person's, and makes the agent's token."""
    config = yaml.safe_load(laptop.kubeconfig.read_text())
    (own,) = [each for each in config["users"] if "exec" not in each["user"]]
    status = {
        "clientCertificateData": base64.b64decode(own["user"]["client-certificate-data"]).decode(),
        "clientKeyData": base64.b64decode(own["user"]["client-key-data"]).decode(),
    }
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    tmp_path.joinpath("answer").write_text(json.dumps(answer))
    own["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "cat",
            "args": [str(tmp_path / "answer")],
            "interactiveMode": "Never",
        }
    }
    laptop.kubeconfig.write_text(yaml.safe_dump(config))
    assert _whoami(laptop.kubectl(*_WHOAMI)) == HUMAN
    assert _whoami(laptop.as_assistant(*_WHOAMI)) == AGENT
