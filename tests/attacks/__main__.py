"""``python -m tests.attacks``: plays the attacks on a test cluster, and says of each what held."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from tests.attacks import attack, playing
from tests.attacks.callers import Caller

_LOCAL: Final = Path(".local")
_CONSENT: Final = "--yes-this-is-a-test-cluster"
_WRONG: Final = 2
_STOPPED: Final = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code."""
    given = _parser().parse_args(words)
    try:
        chosen = attack.attacks(*given.attack)
    except KeyError as unknown:
        return _wrong(f"there is no attack, and no kind of attacks, called {unknown.args[0]}; see --list")
    if given.list:
        for each in chosen:
            _say(f"{each.kind:<12} {each.name:<58} {each.says} [{', '.join(each.layers)}]")
        return 0
    if not given.consent:
        return _wrong(
            "this deletes and changes objects of its own, and tries to do so with the guard's: never do it on a cluster"
            f" that people rely on. Say {_CONSENT} for one that is there for tests"
        )
    if bool(given.kubeconfig) != bool(given.agent_kubeconfig):
        return _wrong("give both --kubeconfig, of an administrator, and --agent-kubeconfig")
    try:
        admin = Caller(given.kubeconfig or _LOCAL / "kubeconfig")
        agent = Caller(given.agent_kubeconfig or _LOCAL / "agent.kubeconfig")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, its words are for people
        return _wrong(str(error) or type(error).__name__)
    problem = _unlike(admin, agent)
    return _wrong(problem) if problem else _play(chosen, admin, agent)


def _play(chosen: Sequence[attack.Attack], admin: Caller, agent: Caller) -> int:
    _stop_once()
    try:
        code = playing.report(playing.play_all(chosen, admin, agent), _say)
    except KeyboardInterrupt:
        _say("stopped; what was made has been taken away")
        code = _STOPPED
    left = playing.left_behind(admin)
    if left:
        _say(f"still there: namespaces {', '.join(left)}")
    return code


def _stop_once() -> None:
    """Let one Ctrl-C, or an end by the system, stop the run; further ones do not keep it from taking all away."""

    def stop(_: int, __: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)


def _unlike(admin: Caller, agent: Caller) -> str:
    """Why the two cannot be used together; empty where they can."""
    name = "/api/v1/namespaces/kube-system"
    seen = admin("GET", name)
    if not seen.done:
        return f"the administrator's kubeconfig does not do: {seen.first_line}"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    who = [each("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", asked) for each in (admin, agent)]
    if not who[1].done:
        return f"the agent's kubeconfig does not do: {who[1].first_line}"
    if who[0].document.get("status") == who[1].document.get("status"):
        return "the agent is the administrator: give each a kubeconfig of its own"
    other = agent("GET", name)
    if other.done and other.document["metadata"]["uid"] != seen.document["metadata"]["uid"]:
        return "the two kubeconfigs are of two clusters"
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.attacks",
        description="Attack the guard of a test cluster as an agent would, and say of each attack what held.",
        epilog="Exit code: 0 all that could be tried was held, 1 something got through, 2 not started, 3 nothing could"
        " be tried. Without kubeconfigs, those of `make up` are taken.",
    )
    parser.add_argument("attack", nargs="*", help="names of attacks or of kinds; all without any")
    parser.add_argument("--kubeconfig", help="of an administrator, who makes what is attacked")
    parser.add_argument("--agent-kubeconfig", help="of the agent")
    parser.add_argument("--list", action="store_true", help="say which attacks there are, and play none")
    parser.add_argument(_CONSENT, dest="consent", action="store_true", help="say that nobody relies on the cluster")
    return parser


def _wrong(what: str) -> int:
    sys.stderr.write(f"attacks: {what}\n")
    return _WRONG


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
