"""What an agent can do to people and to the two programs by mass alone: ``python -m bench flood``.

It makes very many objects, some of them huge, of owners that it made up, then lists and writes all the while. A person
under a policy for Everyone is timed with and without that, in turns, so that whatever else the machine does counts for
both; and with that where the API server serves agents as anybody, without the priority level that the chart gives them.
No controllers run: the garbage collector would take away what has no real owner.
"""

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml

from bench import documents
from localstack.stack import Stack
from seconder.client.api import Api, ApiError
from seconder.client.client_config import load

AGENTS: Final = "flood"
PEOPLE: Final = "people"
_UNASKED: Final = "unasked"
"""Where no policy for Everyone asks about people: what they wait there, the API server alone is to blame for."""

_APPS: Final = "/apis/apps/v1"
_ROLES: Final = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{AGENTS}/roles"
_DEPLOYMENTS: Final = f"{_APPS}/namespaces/{AGENTS}/deployments"
_THEIRS: Final = f"{_APPS}/namespaces/{PEOPLE}/deployments/checkout"
_FREE: Final = f"{_APPS}/namespaces/{_UNASKED}/deployments/checkout"
FLAGS: Final = ("--max-requests-inflight=100", "--max-mutating-requests-inflight=30")
"""Of the API server: not more requests at once than two cores are good for, so that agents' share is one. Its own
defaults are 400 and 200, of which any share is more than there are cores."""

_SCHEMA: Final = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/seconder-agents"
_TAKEN_SECONDS: Final = 1.0
"""In which the API server has taken another FlowSchema: it tells nobody."""
_WRITERS: Final = 4
_LABELS: Final = {f"a{number:05}": "v" * 63 for number in range(14_000)}
"""About 1 MB."""

_HYDRA: Final = "hydra"
_SECONDS: Final = 60.0
_TRIES: Final = 5
_POLICY: Final = {
    "apiVersion": "seconder.dev/v1alpha1",
    "kind": "ProtectionPolicy",
    "metadata": {"name": PEOPLE},
    "spec": {
        "subjects": "Everyone",
        "namespaces": [PEOPLE],
        "resources": [{"group": "apps", "resources": ["deployments"]}],
    },
}
_VALUES: Final = Path(__file__).parents[1] / "charts" / "seconder" / "values.yaml"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much. ``heavy`` of the ``objects`` have 1 MB of labels; ``rounds`` of ``asked`` requests with and without."""

    objects: int
    heavy: int
    kinds: int
    owners: int
    rounds: int
    asked: int


FULL: Final = Scale(objects=10_000, heavy=200, kinds=40, owners=16_000, rounds=5, asked=40)
SMALL: Final = Scale(objects=300, heavy=12, kinds=40, owners=2_000, rounds=3, asked=12)


@dataclass(slots=True)
class Figures:
    """What was measured. Seconds are of a person's requests; memory is the highest resident set, in bytes."""

    quiet: list[float] = field(default_factory=list)
    flooded: list[float] = field(default_factory=list)
    unasked_quiet: list[float] = field(default_factory=list)
    unasked_flooded: list[float] = field(default_factory=list)
    """Of requests that no webhook is asked about."""
    unbounded: list[float] = field(default_factory=list)
    unasked_unbounded: list[float] = field(default_factory=list)
    """Of both, with the flood where agents have no priority level of their own."""
    failed: list[str] = field(default_factory=list)
    """What people were told that they should not have been."""
    writes: int = 0
    """Of the agent's, while people were timed."""
    webhook: int = 0
    operator: int = 0

    @property
    def slower(self) -> float:
        """How many times as long a person waits, by the medians."""
        return _times(self.flooded, self.quiet)

    @property
    def slower_unasked(self) -> float:
        """The same where the webhook is not asked: what the flood does to the API server."""
        return _times(self.unasked_flooded, self.unasked_quiet)

    @property
    def slower_unbounded(self) -> float:
        """The same as ``slower`` where agents have no priority level of their own."""
        return _times(self.unbounded, self.quiet)


def _times(some: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(some) / statistics.median(others)


def limits() -> dict[str, int]:
    """The chart's memory limits of the two programs, in bytes."""
    values = yaml.safe_load(_VALUES.read_text())
    given = {program: values[program]["resources"]["limits"]["memory"] for program in ("webhook", "operator")}
    return {program: int(text.removesuffix("Mi")) * 1024 * 1024 for program, text in given.items()}


def peak(stack: Stack, program: str) -> int:
    """The highest resident set of a program so far, in bytes."""
    status = Path(f"/proc/{stack.seconder.pid_of(program)}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) * 1024


class Flood:
    """A running stack, the agent that floods it, and the person who is timed."""

    def __init__(self, stack: Stack, scale: Scale, say: Callable[[str], None] = lambda _: None) -> None:
        self._stack = stack
        self._scale = scale
        self._say = say
        self._admin = Api(load(str(stack.admin_kubeconfig)), user_agent="flood")
        self._agent = Api(load(str(stack.agent_kubeconfig)), user_agent="flood-agent", connections=8)
        self._person = Api(load(str(stack.human_kubeconfig)), user_agent="flood-person")
        self._stopping = threading.Event()
        self._writes = 0
        self.figures: Final = Figures()

    def run(self) -> Figures:
        """Fill, start both programs anew on that, then time. Raises ApiError where the agent cannot even begin."""
        self._prepare()
        self._fill()
        self._restart()
        for _ in range(self._scale.rounds):
            self._time(self.figures.quiet, self.figures.unasked_quiet)
            with self._flooding():
                self._time(self.figures.flooded, self.figures.unasked_flooded)
            with self._served_as_anybody(), self._flooding():
                self._time(self.figures.unbounded, self.figures.unasked_unbounded)
        self._say(f"reviews as large as they can be; until now {self._peaks()}")
        self._post_large()
        for program in ("webhook", "operator"):
            setattr(self.figures, program, peak(self._stack, program))
        self.figures.writes = self._writes
        return self.figures

    def _prepare(self) -> None:
        for name in (AGENTS, PEOPLE, _UNASKED):
            self._admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
            self._admin.create(f"{_APPS}/namespaces/{name}/deployments", documents.deployment("checkout"))
        self._admin.create("/apis/seconder.dev/v1alpha1/protectionpolicies", _POLICY)
        self._until(lambda: _refused(self._scaled()) == 403, "the policy is in force")

    def _fill(self) -> None:
        scale = self._scale
        self._say(f"{scale.objects} Deployments, {scale.heavy} of them with 1 MB of labels")

        def make(number: int) -> None:
            owner = {"apiVersion": f"g{number % scale.kinds}.example.com/v1", "kind": "X", "name": "x"}
            metadata: dict[str, Any] = {"ownerReferences": [{**owner, "uid": f"{number}"}]}
            if number < scale.heavy:
                metadata["labels"] = _LABELS
            self._make(documents.deployment(f"d{number}", **metadata))

        # The heavy ones last: what an agent makes is held against all that is there of its kind.
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(make, reversed(range(scale.objects))))
        owners = [
            {"apiVersion": "v1", "kind": "K", "name": "n", "uid": f"{number:05}"} for number in range(scale.owners)
        ]
        self._make(documents.deployment(_HYDRA, ownerReferences=owners))

    def _make(self, document: dict[str, Any]) -> None:
        """Create a Deployment as the agent, again where the API server was too busy. Raises ApiError."""
        for tries in range(_TRIES, -1, -1):
            try:
                self._agent.create(_DEPLOYMENTS, document, timeout=_SECONDS)
            except ApiError as error:
                if error.status == 409 and tries < _TRIES:
                    return
                # A guard that got no answer from the API server says so, and to try again.
                busy = error.status not in {400, 403, 409, 413, 422} or "(InternalError)" in str(error)
                if not busy or not tries:
                    raise
                time.sleep(1)
            else:
                return

    def _restart(self) -> None:
        """Start both programs on what is there: their first lists are when they need most."""
        self._say("both programs start anew")
        seconder = self._stack.seconder
        seconder.stop()
        seconder.start_operator()
        seconder.start_webhook()
        seconder.wait_ready()
        self._until(lambda: _refused(self._scaled()) == 403, "the guard is back")
        self._say(f"started: {self._peaks()}")

    def _scaled(self) -> ApiError | None:
        try:
            self._person.merge(_THEIRS, {"spec": {"replicas": 0}}, timeout=_SECONDS)
        except ApiError as error:
            return error
        self._admin.merge(_THEIRS, {"spec": {"replicas": 1}})
        return None

    def _time(self, asked: list[float], unasked: list[float]) -> None:
        """Add the seconds of a person's requests: about which the webhook is asked, and, in turns, others."""
        for number in range(self._scale.asked):
            started = time.perf_counter()
            answer = self._scaled()
            between = time.perf_counter()
            self._person.merge(_FREE, {"spec": {"replicas": number % 2}}, timeout=_SECONDS)
            asked.append(between - started)
            unasked.append(time.perf_counter() - between)
            if answer is None or "ApprovalMissing" not in str(answer):
                self.figures.failed.append(str(answer))

    @contextlib.contextmanager
    def _served_as_anybody(self) -> Iterator[None]:
        """Take the FlowSchema away that gives agents a priority level of their own."""
        schema = self._admin.get(_SCHEMA)
        self._admin.delete(_SCHEMA, uid=schema["metadata"]["uid"])
        time.sleep(_TAKEN_SECONDS)
        try:
            yield
        finally:
            metadata = {"name": schema["metadata"]["name"]}
            self._admin.create(_SCHEMA.rpartition("/")[0], {"metadata": metadata, "spec": schema["spec"]})
            time.sleep(_TAKEN_SECONDS)

    @contextlib.contextmanager
    def _flooding(self) -> Iterator[None]:
        self._stopping.clear()
        acts = [self._list, *[self._write] * _WRITERS]
        threads = [threading.Thread(target=self._repeat, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def _repeat(self, act: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            act()

    def _list(self) -> None:
        with contextlib.suppress(ApiError):
            self._agent.get(_DEPLOYMENTS, timeout=_SECONDS, limit=20, decode=len)

    def _write(self) -> None:
        """Each of what an agent may do, and of what it may not."""
        number = self._writes
        heavy = f"{_DEPLOYMENTS}/d{number % max(1, self._scale.heavy)}"
        role = {"metadata": {"generateName": "r-"}, "rules": [_READS]}
        tried: Sequence[Callable[[], Any]] = (
            lambda: self._agent.merge(heavy, {"metadata": {"labels": {"round": f"{number}"}}}, timeout=_SECONDS),
            lambda: self._agent.merge(f"{_DEPLOYMENTS}/{_HYDRA}", _note(number), timeout=_SECONDS),
            lambda: self._agent.merge(heavy, {"spec": {"paused": True}}, timeout=_SECONDS),
            lambda: self._agent.merge(heavy, {"spec": {"replicas": 0}}, timeout=_SECONDS),
            lambda: self._agent.delete(heavy, uid="", timeout=_SECONDS),
            lambda: self._agent.create(_ROLES, role, timeout=_SECONDS),
        )
        for act in tried:
            with contextlib.suppress(ApiError):
                act()
            self._writes += 1

    def _post_large(self) -> None:
        """Four of the largest reviews at once, from nobody in particular: more than there is room for."""
        url = f"https://{self._stack.seconder.webhook_address}/validate"
        labels = ",".join(f'"k{number}": "{"<" * 63}"' for number in range(330_000))
        body = f'{{"request": {{"uid": "1", "oldObject": {{"metadata": {{"labels": {{{labels}}}}}}}}}}}'.encode()

        def post(_: int) -> None:
            pool = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False)
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                headers = {"Content-Type": "application/json"}
                pool.request("POST", url, body=body[: 28 * 1024 * 1024 - 1], headers=headers, timeout=30)

        urllib3.disable_warnings()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(post, range(4)))

    def _peaks(self) -> str:
        return ", ".join(f"{program} {peak(self._stack, program) >> 20} MiB" for program in ("webhook", "operator"))

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {_SECONDS:.0f} s: {what}")
            time.sleep(0.1)


_READS: Final = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}


def _note(number: int) -> dict[str, Any]:
    return {"metadata": {"annotations": {"round": f"{number}"}}}


def _refused(answer: ApiError | None) -> int:
    return answer.status if answer else 200


def table(scale: Scale, figures: Figures) -> str:
    """The figures in words, each with its bound."""
    bounds = limits()
    rows = [json.dumps({"objects": scale.objects, "heavy": scale.heavy, "kinds": scale.kinds, "owners": scale.owners})]
    for program, peak in (("webhook", figures.webhook), ("operator", figures.operator)):
        rows.append(f"{program}: {peak >> 20} MiB at the most, of {bounds[program] >> 20}")
    quiet, flooded = statistics.median(figures.quiet), statistics.median(figures.flooded)
    rows.append(
        f"a person: {quiet * 1000:.1f} ms, with the flood {flooded * 1000:.1f} ms (medians):"
        f" {figures.slower:.2f} times as long; not asked about: {figures.slower_unasked:.2f} times;"
        f" {figures.writes} writes by the agent"
    )
    rows.append(
        f"where agents are served as anybody: {figures.slower_unbounded:.2f} times as long; not asked"
        f" about: {_times(figures.unasked_unbounded, figures.unasked_quiet):.2f} times"
    )
    rows.append(f"answered otherwise than they should be: {len(figures.failed)}")
    return "\n".join(rows)
