"""What agents and people do all the time while something happens to the guard."""

import itertools
from pathlib import Path
from typing import Any, Final

from tests.support.stream import Stream

from seconder.client.api import Api, ApiError
from seconder.client.client_config import load

AGENT_DELETES: Final = "agent: delete"
AGENT_WORKS: Final = "agent: annotate"
PERSON_WORKS: Final = "person: create and delete"


def traffic(agent: Path, person: Path, namespace: str, name: str) -> Stream:
    """Give the traffic: an agent that tries to delete a Deployment and annotates it, a person who does as she likes.

    ``agent`` and ``person`` are kubeconfigs. Every refusal must be the guard's own; whatever else the API server says
    of the agent's attempts, a webhook that does not answer above all, is trouble.
    """
    return Stream(
        {
            AGENT_DELETES: _Deletion(agent, namespace, name),
            AGENT_WORKS: _Annotation(agent, namespace, name),
            PERSON_WORKS: _Turnover(person, namespace),
        }
    )


class _Deletion:
    """An agent's try, which the guard refuses."""

    def __init__(self, kubeconfig: Path, namespace: str, name: str) -> None:
        self._api: Final = _api(kubeconfig)
        self._path: Final = f"{_deployments(namespace)}/{name}"
        self._uid: Final[str] = self._api.get(self._path)["metadata"]["uid"]

    def __call__(self) -> None:
        try:
            self._api.delete(self._path, uid=self._uid, timeout=_SECONDS)
        except ApiError as error:
            if error.status == 403 and "(ApprovalMissing)" in str(error):
                return
            raise
        raise AssertionError("the deletion went through")


class _Annotation:
    """An agent's ordinary work on a protected object, which the guard looks at and lets through."""

    def __init__(self, kubeconfig: Path, namespace: str, name: str) -> None:
        self._api: Final = _api(kubeconfig)
        self._path: Final = f"{_deployments(namespace)}/{name}"
        self._counter: Final = itertools.count()

    def __call__(self) -> None:
        changes = {"metadata": {"annotations": {"example.com/seen": str(next(self._counter))}}}
        self._api.merge(self._path, changes, timeout=_SECONDS)


class _Turnover:
    """A person who makes and deletes Deployments without asking anybody."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._api: Final = _api(kubeconfig)
        self._collection: Final = _deployments(namespace)
        self._counter: Final = itertools.count()

    def __call__(self) -> None:
        name = f"turnover-{next(self._counter)}"
        made = self._api.create(self._collection, _empty(name), timeout=_SECONDS)
        self._api.delete(f"{self._collection}/{name}", uid=made["metadata"]["uid"], timeout=_SECONDS)


_SECONDS: Final = 20.0
"""Longer than the API server waits for a webhook: its answer is what counts."""


def _api(kubeconfig: Path) -> Api:
    return Api(load(str(kubeconfig)), user_agent="e2e-traffic")


def _deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def _empty(name: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none:0"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }
