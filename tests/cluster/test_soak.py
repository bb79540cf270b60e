"""Nobody else's harm: people make and delete 200 namespaces with 1,000 Deployments while agents try everything."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from tests.support.attacks import APPS, ATTACKS, CORE, HELD, Agents
from tests.support.cluster import AGENT, eventually
from tests.support.requests import Call, client

from localstack.stack import Stack

_NAMESPACES = 200
_DEPLOYMENTS = 5
"""In each."""

_STANDING = 50
"""Namespaces that stand while the next ones are made; agents try those that are there, or just go."""

_AT_ONCE = 6
_STUCK_SECONDS = 240
"""Past this a namespace is taken for stuck. The namespace controller empties ten at a time, with some 70 requests each,
and so needs 40 s for all of them on a machine that has nothing else to do."""

_SLOWEST_SECONDS = 10.0
"""No request of people's may take longer: so long the API server would wait for a webhook. None of theirs waits for
ours, and what agents do to it takes nobody's place in its queues."""

_PERSON = "soak@example.com"
_HAL = "hal"
_GROUP = "soak"


class _Person:
    """Makes, changes and deletes namespaces with Deployments; remembers which requests failed."""

    def __init__(self, call: Call, given_up: set[str]) -> None:
        self.failed: list[str] = []
        self.seconds: list[float] = []
        self.asked = 0
        self._call = call
        self._given_up = given_up

    def __call__(self, method: str, path: str, document: object = None) -> None:
        started = time.perf_counter()
        answer = self._call(method, path, document)
        self.seconds.append(time.perf_counter() - started)
        self.asked += 1
        if answer.code >= 300:
            self.failed.append(f"{method} {path}: {answer.code} {answer.message}")

    def use(self, place: str) -> None:
        """Make a namespace and what is in it, and do a day's work there."""
        deployments = f"{APPS}/namespaces/{place}/deployments"
        self("POST", f"{CORE}/namespaces", {"metadata": {"name": place, "labels": {"of": _GROUP}}})
        for number in range(_DEPLOYMENTS):
            self("POST", deployments, _deployment(f"d{number}"))
        self("PATCH", f"{deployments}/d3", {"metadata": {"annotations": {"team": "x"}}})
        self("PATCH", f"{deployments}/d3/scale", {"spec": {"replicas": 0}})
        self("DELETE", f"{deployments}/d4")

    def leave(self, place: str) -> None:
        """Delete it with all that is in it."""
        self._given_up.add(place)
        self("DELETE", f"{CORE}/namespaces/{place}")


def test_a_soak_of_people_and_agents(stack: Stack) -> None:
    """No request of people fails or is shown to us, no namespace is stuck, and no agent succeeds in anything."""
    plane = stack.control_plane
    bind = ("create", "clusterrolebinding", _GROUP, "--clusterrole=cluster-admin", f"--group={_GROUP}")
    plane.kubectl.must(plane.admin_kubeconfig, *bind)
    may = ("auth", "can-i", "create", "namespaces", f"--as={_PERSON}", f"--as-group={_GROUP}")
    # The authorizer learns of a binding a moment later.
    eventually(lambda: plane.kubectl.run(plane.admin_kubeconfig, *may).returncode == 0, 10, "they may do everything")
    as_person = client(plane.client_kubeconfig(_PERSON, [_GROUP]), _AT_ONCE)
    with_all_rights = plane.client_kubeconfig(_HAL, [_GROUP, "seconder.dev:agents"])
    agents = Agents([client(stack.agent_kubeconfig, 1), client(with_all_rights, 1)])
    person = _Person(as_person, agents.given_up)
    since = datetime.now(UTC)

    person("POST", f"{CORE}/namespaces", {"metadata": {"name": HELD}})
    held = f"{APPS}/namespaces/{HELD}/deployments"
    person("POST", held, _deployment("standing"))
    person("POST", held, _deployment(HELD, finalizers=["example.com/backup"]))
    person("DELETE", f"{held}/{HELD}")

    places = [f"soak-{number}" for number in range(_NAMESPACES)]
    groups = [places[start : start + _STANDING] for start in range(0, _NAMESPACES, _STANDING)]
    with agents, ThreadPoolExecutor(_AT_ONCE) as people:
        for now, before in zip([*groups, []], [[], *groups], strict=True):
            agents.targets = now + before
            list(people.map(person.use, now))
            list(people.map(person.leave, before))
        assert person.failed == []
        left = f"{CORE}/namespaces?limit=1&labelSelector=of={_GROUP}"
        eventually(lambda: not as_person("GET", left).document["items"], _STUCK_SECONDS, "every namespace is gone")

    person("PATCH", f"{held}/{HELD}", {"metadata": {"finalizers": None}})
    person("DELETE", f"{CORE}/namespaces/{HELD}")
    plane.kubectl.must(plane.admin_kubeconfig, "delete", "clusterrolebinding", _GROUP)

    assert max(person.seconds) < _SLOWEST_SECONDS, sorted(person.seconds)[-10:]
    assert agents.succeeded == []
    assert set(agents.refused) == ATTACKS, "each was refused at least once, and by us"
    assert person.failed == []
    everybodys, shown = Counter[str](), Counter[str]()
    for event in _audited(stack, since):
        everybodys[event["user"]["username"]] += 1
        if any(key.partition("/")[0].endswith("seconder.dev") for key in event.get("annotations", ())):
            shown[event["user"]["username"]] += 1
    assert everybodys[_PERSON] == person.asked
    assert shown.keys() == {AGENT, _HAL}, "nobody else's request was shown to the webhook, controllers' neither"
    decided = _decided(stack, since)
    assert {each["user"] for each in decided} == {AGENT, _HAL}
    assert {each["decision"] for each in decided} == {"deny"}


def _deployment(name: str, **metadata: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "none:0"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name} | metadata, "spec": spec}


def _audited(stack: Stack, since: datetime) -> Iterator[dict[str, Any]]:
    """Give what the API server's own audit log has on every write since then, in files that it may have rotated."""
    for path in stack.control_plane.folder.glob("audit*.log"):
        with path.open(errors="replace") as log:
            for line in log:
                # What is older is not decoded: other tests' objects may nest more deeply than json reads.
                received = line.rpartition('"requestReceivedTimestamp":"')[2].partition('"')[0]
                if datetime.fromisoformat(received) >= since:
                    yield json.loads(line)


def _decided(stack: Stack, since: datetime) -> list[dict[str, Any]]:
    """Give what the webhook's own log has on every decision since then."""
    entries = map(json.loads, stack.seconder.log_of("webhook").read_text().splitlines())
    recent = (each for each in entries if datetime.fromisoformat(each["time"]) >= since)
    return [each for each in recent if each["message"] == "decision"]
