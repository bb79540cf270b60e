"""A real Prometheus beside the stack, and what it answers."""

import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import urllib3
import yaml

from localstack.files import write_private
from localstack.ports import free_ports
from localstack.probe import Probe
from localstack.process import Child
from localstack.stack import Stack
from seconder.client import client_config

SCRAPE_SECONDS: Final = 0.5
_READY_SECONDS: Final = 30.0


def program(name: str) -> str:
    """Give the path of ``prometheus`` or ``promtool``; without it the test is not run, and in CI fails."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is not installed: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Prometheus:
    """Asks a running Prometheus at ``url``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=10)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Evaluate an expression now; give the labels and value of each series. Fails the test when it is wrong."""
        found = self._get("/api/v1/query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def firing(self) -> set[str]:
        """Name the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self._get("/api/v1/alerts")["alerts"] if _fires(alert)}

    def unhealthy(self) -> list[str]:
        """Name what could not be scraped, or evaluated, and why."""
        targets = self._get("/api/v1/targets")["activeTargets"]
        rules = [rule for group in self._get("/api/v1/rules")["groups"] for rule in group["rules"]]
        return [f"{each['scrapeUrl']}: {each['lastError']}" for each in targets if each["health"] != "up"] + [
            f"{each['name']}: {each.get('lastError')}" for each in rules if each["health"] == "err"
        ]

    def silent(self, expressions: Iterable[str]) -> list[str]:
        """Give those expressions that have no value now. Fails the test when one is wrong."""
        return [each for each in expressions if all(math.isnan(value) for _, value in self.query(each))]

    def console(self, name: str) -> tuple[int, str]:
        """Give the status and the text of a console page."""
        answer = self._pool.request("GET", f"{self.url}/consoles/{name}")
        return answer.status, answer.data.decode()

    def _get(self, path: str, **fields: str) -> Any:
        answer = self._pool.request("GET", f"{self.url}{path}", fields=fields)
        document = answer.json()
        assert document["status"] == "success", f"{fields}: {document['error']}"
        return document["data"]


def _fires(alert: Mapping[str, Any]) -> bool:
    return bool(alert["state"] == "firing")


def scrapes(stack: Stack, folder: Path) -> list[dict[str, Any]]:
    """Give the scrape configurations of a stack: of webhook, operator and, as an administrator, API server."""
    own = stack.seconder
    return [
        {
            "job_name": "seconder",
            "static_configs": [{"targets": [own.webhook_metrics_address, own.operator_metrics_address]}],
        },
        api_server(stack.admin_kubeconfig, folder),
    ]


def api_server(kubeconfig: Path, folder: Path) -> dict[str, Any]:
    """Give the scrape configuration of an API server, by the client certificate of an administrator."""
    loaded = client_config.load(str(kubeconfig))
    files = {"ca_file": loaded.ca, "cert_file": loaded.certificate, "key_file": loaded.key}
    for name, content in files.items():
        write_private(folder / name, content)
    return {
        "job_name": "apiserver",
        # It has very much to say: half a second is too little on a busy machine.
        "scrape_interval": "2s",
        "scrape_timeout": "2s",
        "scheme": "https",
        "tls_config": {name: str(folder / name) for name in files},
        "static_configs": [{"targets": [re.sub("^https://", "", loaded.server)]}],
    }


@contextmanager
def running(
    folder: Path, jobs: Sequence[Mapping[str, Any]], *, rules: str, consoles: Path | None = None
) -> Iterator[Prometheus]:
    """Have a Prometheus on loopback that scrapes, where a job does not say otherwise, and evaluates twice a second."""
    interval = f"{SCRAPE_SECONDS * 1000:.0f}ms"
    (folder / "rules.yaml").write_text(rules)
    configuration = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": ["rules.yaml"],
        "scrape_configs": list(jobs),
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    child = Child(
        "prometheus",
        [
            program("prometheus"),
            "--config.file=prometheus.yaml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={address}",
            *([f"--web.console.templates={consoles}"] if consoles else []),
        ],
        folder / "prometheus.log",
        dies_with_parent=True,
        folder=folder,
    )
    try:
        child.wait_until(Probe(f"http://{address}/-/ready"), _READY_SECONDS)
        asked = Prometheus(f"http://{address}")
        yield asked
        asked.close()
    finally:
        child.stop()
