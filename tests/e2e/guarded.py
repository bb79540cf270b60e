"""A real cluster with the chart installed, the people of the story, and something worth protecting."""

import json
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.e2e.release import NAMESPACE, Release
from tests.e2e.traffic import traffic
from tests.support.cluster import Place, eventually
from tests.support.stream import Stream

from localstack.scene import Scene
from node import image
from node.node import Node

VALUES: Final[dict[str, Any]] = {
    "image": {"repository": image.name().rpartition(":")[0], "tag": image.version(), "pullPolicy": "Never"},
    # Steps of a rotation are a minute apart by default.
    "operator": {"rotationSettle": 5},
}
_CONFIGURATION: Final = "validatingwebhookconfiguration/seconder"
_FAILED: Final = re.compile(
    r'^apiserver_admission_webhook_rejection_count\{error_type="(?!no_error)[^}]*\} (\d+)', re.MULTILINE
)
_REVIEWS: Final = re.compile(r"^seconder_admission_requests_total\{.*\} (\S+)", re.MULTILINE)
_SECONDS: Final = 60


class Installation(Place):
    """The namespace ``shop`` with a Deployment ``checkout`` whose pods run, on a node with Seconder's release."""

    def __init__(self, node: Node, scene: Scene, release: Release) -> None:
        super().__init__(scene, "shop")
        self.node: Final = node
        self.release: Final = release

    def open(self) -> None:
        """Make the namespace and the Deployment, and wait until its pods run."""
        self.admin("create", "namespace", self.namespace)
        self.running_deployment("checkout", 2)

    def running_deployment(self, name: str, replicas: int = 1) -> None:
        """Make a Deployment as a person, and wait until its pods run."""
        labels = {"app": name}
        container = {"name": "main", "image": image.PAUSE, "imagePullPolicy": "Never"}
        pod = {"containers": [container], "terminationGracePeriodSeconds": 0}
        document = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }
        made = self.human("create", "--filename=-", stdin=json.dumps(document))
        assert made.code == 0, made.err
        self.rolled_out(name, self.namespace)

    def rolled_out(self, name: str, namespace: str = NAMESPACE) -> None:
        """Wait until a Deployment is as it should be."""
        place = (f"deployment/{name}", f"--namespace={namespace}", f"--timeout={_SECONDS}s")
        done = self.kubectl(self.scene.admin_kubeconfig, "rollout", "status", *place, seconds=_SECONDS + 10)
        assert done.code == 0, done.err

    def pods(self, component: str) -> dict[str, int]:
        """Give the pods of ``webhook`` or ``operator`` that are ready, and how often each was restarted."""
        selector = f"--selector=app.kubernetes.io/component={component}"
        found = json.loads(self.admin("get", "pods", f"--namespace={NAMESPACE}", selector, "--output=json"))["items"]
        statuses = {
            pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]
            for pod in found
            if "deletionTimestamp" not in pod["metadata"] and "containerStatuses" in pod["status"]
        }
        return {name: status["restartCount"] for name, status in statuses.items() if status["ready"]}

    def busiest(self) -> str:
        """Name the webhook's pod that answers most reviews now: an API server keeps to its connections."""
        before = {pod: self._reviews(pod) for pod in self.pods("webhook")}
        busiest = ""

        def one_answers() -> bool:
            nonlocal busiest
            grown = {pod: self._reviews(pod) - count for pod, count in before.items()}
            busiest = max(grown, key=grown.__getitem__)
            return grown[busiest] > 10

        eventually(one_answers, 30, "a webhook answers")
        return busiest

    def leader(self) -> str:
        """Wait for the operator that leads, and name its pod."""
        leads: list[str] = []

        def one_leads() -> bool:
            leads[:] = [pod for pod in self.pods("operator") if "seconder_leader 1.0" in self.metrics(pod)]
            return len(leads) == 1

        eventually(one_leads, 30, "an operator leads")
        return leads[0]

    def metrics(self, pod: str) -> str:
        """Give what a pod tells Prometheus; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.metrics_address(pod)}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def metrics_address(self, pod: str) -> str:
        """Give where a pod's metrics are, as ``HOST:PORT``."""
        place = ("get", "pod", pod, f"--namespace={NAMESPACE}", "--output=jsonpath={.status.podIP}")
        return f"{self.admin(*place)}:9090"

    def _reviews(self, pod: str) -> float:
        """Count the reviews that a pod has answered."""
        return sum(map(float, _REVIEWS.findall(self.metrics(pod))))

    def restarted(self, pod: str, before: int, component: str = "webhook") -> bool:
        """Say whether kubelet has started a pod anew, and all of its kind are ready."""
        found = self.pods(component)
        return len(found) > 1 and found.get(pod, 0) > before

    def signal(self, component: str, pod: str, number: signal.Signals) -> None:
        """Send a signal to the program in a pod."""
        self.node.signal_container(NAMESPACE, pod, component, number)

    def configuration(self) -> str:
        """Give the uid of the webhook configuration; nothing where there is none."""
        return self.admin("get", _CONFIGURATION, "--ignore-not-found", "--output=jsonpath={.metadata.uid}")

    def failed_reviews(self) -> int:
        """Count, since the API server started, the requests that it refused because a webhook did not answer."""
        return sum(map(int, _FAILED.findall(self.admin("get", "--raw=/metrics"))))

    @contextmanager
    def traffic(self) -> Iterator[Stream]:
        """Have agents and people at work in the body, and for a while after it."""
        with traffic(self.scene.agent_kubeconfig, self.scene.human_kubeconfig, self.namespace, "checkout") as stream:
            yield stream
            answered = len(stream.answers())
            eventually(lambda: len(stream.answers()) > answered + 30, _SECONDS, "the traffic goes on")


def until_quiet(stream: Stream, seconds: float) -> None:
    """Wait until nothing has gone wrong for two seconds."""

    def quiet() -> bool:
        troubles = stream.troubles()
        return not troubles or time.monotonic() - (troubles[-1].at + troubles[-1].seconds) > 2

    eventually(quiet, seconds, "requests are answered as they should be again")
