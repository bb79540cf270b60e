"""The whole story, told on a real API server: refused, approved, done; and what the metrics say of it."""

import json
import os
import re
import shlex
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localstack import browser as browsers
from localstack import own_terminal
from localstack.binaries import provide
from localstack.errors import StackError
from localstack.pins import Binary
from localstack.scene import AGENT
from localstack.stack import Stack

_NEEDED: Final = (Binary.ETCD, Binary.APISERVER, Binary.KUBECTL)
_NAMESPACE: Final = "payments"


class Unexpected(StackError):
    """A step went differently than the story has it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    text: str


class Narrator:
    """Prints the story; bold and colour only on a terminal that wants them."""

    def __init__(self) -> None:
        plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        self._bold, self._dim, self._green, self._off = (
            ("",) * 4 if plain else ("\033[1m", "\033[2m", "\033[32m", "\033[0m")
        )

    def scene(self, title: str) -> None:
        """Begin a new part."""
        print(f"\n{self._bold}{title}{self._off}", flush=True)

    def command(self, who: str, line: str) -> None:
        """Show what somebody types."""
        print(f"  {self._dim}{who} $ {self._off}{line}", flush=True)

    def output(self, text: str) -> None:
        """Show what came of it."""
        for line in text.strip().splitlines():
            print(f"    {line}", flush=True)

    def remark(self, text: str) -> None:
        """Say what to make of it."""
        print(f"  {self._green}{text}{self._off}", flush=True)


class Story:
    """The scenes, in order. Each raises ``Unexpected`` when it goes differently."""

    def __init__(self, stack: Stack, narrator: Narrator) -> None:
        self._stack = stack
        self._tell = narrator
        self._change_request = ""
        self._approval = ""

    def play(self) -> None:
        """Play them all."""
        self._setting()
        self._refused()
        self._self_help()
        self._approved()
        self._replayed()
        self._person()
        self._metrics()
        self._on_a_phone()

    def _setting(self) -> None:
        self._tell.scene("1. Dana, an engineer, runs a service. The agent kiro has all of an engineer's rights.")
        self._kubectl("dana", f"create namespace {_NAMESPACE}", succeeds=True)
        self._kubectl(
            "dana", f"create deployment checkout -n {_NAMESPACE} --image=registry.example/checkout:1", succeeds=True
        )

    def _refused(self) -> None:
        self._tell.scene('2. Asked to fix a problem, kiro decides to "delete and recreate the environment".')
        self._kubectl(AGENT, f"delete namespace {_NAMESPACE} --wait=false", refused="ApprovalMissing")
        said = self._kubectl(AGENT, f"delete deployment checkout -n {_NAMESPACE}", refused="ApprovalMissing")
        named = re.search(r"change request: (chg-\S+)", said.text)
        if named is None:
            raise Unexpected("the refusal names no change request")
        self._change_request = named[1]
        self._tell.remark("The API server itself said no. Everything is still there.")

    def _self_help(self) -> None:
        self._tell.scene("3. kiro tries to help itself.")
        self._kubectl(AGENT, "delete protectionpolicy default", refused="ProtectedConfiguration")
        self._kubectl(
            AGENT,
            f"annotate deployment checkout -n {_NAMESPACE} approval.seconder.dev/alice=yes",
            refused="ProtectedConfiguration",
        )

    def _approved(self) -> None:
        self._tell.scene("4. Alice, a peer, looks at it and signs for exactly this, with the SSH key she already has.")
        uid = self._kubectl(
            "alice", f"get deployment checkout -n {_NAMESPACE} -o jsonpath={{.metadata.uid}}", quiet=True
        )
        self._plugin("pending")
        self._plugin(
            f"approve {self._change_request} --key {self._stack.alice.key} --reason 'INC-4821 decommission' --yes"
        )
        value = self._kubectl(
            "alice", f"get deployment checkout -n {_NAMESPACE} -o jsonpath={{.metadata.annotations}}", quiet=True
        )
        if uid.text not in value.text or "BEGIN SSH SIGNATURE" not in value.text:
            raise Unexpected(f"the approval does not stand on the object: {value.text}")
        self._tell.remark(
            "The approval names the object's uid and ends by itself. Without the plugin, kubectl and ssh-keygen do."
        )
        self._tell.scene("5. kiro repeats the same command.")
        self._kubectl(AGENT, f"delete deployment checkout -n {_NAMESPACE}", succeeds=True)
        self._approval = value.text

    def _replayed(self) -> None:
        self._tell.scene("6. Dana restores the service from a saved manifest, the old approval still on it.")
        self._kubectl(
            "dana", f"create deployment checkout -n {_NAMESPACE} --image=registry.example/checkout:2", succeeds=True
        )
        approval = json.loads(self._approval)["approval.seconder.dev/alice"]
        annotate = f"annotate deployment checkout -n {_NAMESPACE} approval.seconder.dev/alice={shlex.quote(approval)}"
        self._kubectl("dana", annotate, succeeds=True, quiet=True)
        self._kubectl(AGENT, f"delete deployment checkout -n {_NAMESPACE}", refused="WrongObject")
        self._tell.remark("Same name, another object: an approval cannot be used again.")

    def _person(self) -> None:
        self._tell.scene("7. Dana is no agent, and notices nothing.")
        self._kubectl("dana", f"delete deployment checkout -n {_NAMESPACE}", succeeds=True)

    def _metrics(self) -> None:
        self._tell.scene("8. What was blocked, and what was approved, stands in the metrics.")
        address = self._stack.seconder.webhook_metrics_address
        self._tell.command("prometheus", f"GET http://{address}/metrics")
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        shown = [line for line in lines if re.match(r"seconder_(blocked_actions|approvals_used)_total", line)]
        self._tell.output("\n".join(shown))
        # Each is a series of its own. Two entries of the configuration may ask about one update, and both count it.
        blocked = sum(float(line.split()[-1]) >= 1 for line in shown if line.startswith("seconder_blocked"))
        used = sum(float(line.split()[-1]) for line in shown if line.startswith("seconder_approvals"))
        if (blocked, used) != (5, 1.0):
            raise Unexpected(f"the metrics tell of {blocked} blocked actions and {used:.0f} approvals, not of 5 and 1")

    def _on_a_phone(self) -> None:
        origin = self._stack.seconder.portal_origin
        self._tell.scene("9. Carol, another peer, has a phone at hand and no workstation. She approves with a passkey.")
        absent = browsers.missing()
        if absent:
            self._tell.remark(f"There is no {absent} on this machine: the portal is at {origin} after make up.")
            return
        self._kubectl(
            "dana", f"create deployment billing -n {_NAMESPACE} --image=registry.example/billing:1", succeeds=True
        )
        delete = f"delete deployment billing -n {_NAMESPACE}"
        named = re.search(r"change request: (chg-\S+)", self._kubectl(AGENT, delete, refused="ApprovalMissing").text)
        if named is None:
            raise Unexpected("the refusal names no change request")
        with browsers.browser(width=390, height=844) as phone:
            phone.give_passkeys()
            self._tell.command("carol", f"(opens {origin}/enroll and makes a passkey)")
            phone.open(f"{origin}/enroll?to=/requests/{named[1]}")
            phone.type("#principal", "carol@example.com")
            phone.click("form button")
            phone.wait_for("Your passkey is made")
            self._tell.output(phone.text("#fingerprint"))
            self._tell.command("administrator", "kubectl apply -f carol.yaml")
            self._stack.control_plane.apply(phone.run("return document.querySelector('#approver').textContent"))
            self._tell.command("carol", f"(opens {origin}/requests/{named[1]}, reads, and touches her passkey)")
            self._sign_in(phone)
            phone.type("#reason", "INC-4821 decommission")
            phone.click("#approve")
            phone.wait_for("Your approval counts", "#said")
            self._tell.output(phone.text("#said"))
        self._kubectl(AGENT, delete, succeeds=True)
        self._tell.remark(
            "The page has signed nothing by itself: the webhook has verified her passkey's own signature."
        )

    def _sign_in(self, phone: "browsers.Browser") -> None:
        """Sign in, as soon as the portal has seen that the passkey is registered."""
        phone.click("#then")
        deadline = time.monotonic() + 20
        while "What your passkey signs" not in phone.text():
            if time.monotonic() > deadline:
                raise Unexpected(f"carol could not sign in: {phone.text()}")
            if phone.text("#sign-in") and not phone.run("return document.querySelector('#sign-in').disabled"):
                phone.click("#sign-in")
            time.sleep(0.2)

    def _plugin(self, line: str) -> None:
        """Have alice run the kubectl plugin as she would: kubectl finds it on PATH."""
        person = self._stack.alice
        self._tell.command("alice", f"kubectl seconder {line}".replace(str(person.key), "~/.ssh/id_ed25519"))
        programs = f"{self._stack.folder / 'bin'}:{Path(sys.executable).parent}"
        environment = os.environ | {
            "KUBECONFIG": str(person.kubeconfig),
            "KUBECACHEDIR": str(self._stack.folder / "cache"),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        done = own_terminal.run(["kubectl", "seconder", *shlex.split(line)], environment, 30)
        self._tell.output(done.stdout + done.stderr)
        if done.returncode != 0:
            raise Unexpected(f"alice could not: kubectl seconder {line}")

    def _kubectl(self, who: str, line: str, *, succeeds: bool = False, refused: str = "", quiet: bool = False) -> Said:
        kubeconfigs = {
            "dana": self._stack.human_kubeconfig,
            "alice": self._stack.alice.kubeconfig,
            AGENT: self._stack.agent_kubeconfig,
        }
        if not quiet:
            self._tell.command(who, f"kubectl {line}")
        done = self._stack.control_plane.kubectl.run(kubeconfigs[who], *shlex.split(line), seconds=30)
        said = Said(done.returncode, done.stdout + done.stderr)
        if not quiet:
            self._tell.output(said.text)
        if succeeds and said.code != 0:
            raise Unexpected(f"this should have gone through: kubectl {line}")
        if refused and (said.code == 0 or f"({refused})" not in said.text):
            raise Unexpected(f"this should have been refused with {refused}: kubectl {line}")
        return said


def main() -> int:
    """Play the story on a stack of its own; give the exit code. Raises ``StackError`` when a step goes differently."""
    binaries = provide(_NEEDED, any_kubectl=True, near=True)
    started = time.monotonic()
    print("Starting a real API server with Seconder beside it ...", flush=True)
    # The story needs no controller: a Deployment's record is what is protected here.
    with (
        tempfile.TemporaryDirectory(prefix="seconder-demo-") as folder,
        Stack(Path(folder), binaries, controllers=False, portal=True) as stack,
    ):
        Story(stack, Narrator()).play()
    print(f"\nDone in {time.monotonic() - started:.0f} s; everything was stopped and removed. To try by hand: make up")
    return 0
