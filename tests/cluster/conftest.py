"""One real control plane with Seconder beside it for the whole run; each test has a namespace of its own."""

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.support.cluster import Cluster
from tests.support.plugin import Plugin

from localstack.binaries import provide
from localstack.pins import chosen_minor
from localstack.stack import Stack

_GATES = {"HPAScaleToZero": "1.37"}
"""Features that the tests try, and since when the API server has them without being asked."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The control plane, Seconder, the agent kiro and the approvers alice and bob."""
    here = chosen_minor(os.environ)
    flags = [f"--feature-gates={gate}=true" for gate, since in _GATES.items() if _number(here) < _number(since)]
    with Stack(tmp_path_factory.mktemp("stack"), provide(any_kubectl=False), apiserver_flags=flags) as running:
        yield running
    assert not running.seconder.wrong_ends


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, and say why, what an older version of Kubernetes that was asked for does not have."""
    here = chosen_minor(os.environ)
    for mark in item.iter_markers("since"):
        minor, why = mark.args
        if _number(here) < _number(minor):
            pytest.skip(f"Kubernetes {here}: {why}, since {minor}")


def _number(minor: str) -> int:
    """The 30 of 1.30."""
    return int(minor.partition(".")[2])


@pytest.fixture
def cluster(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A namespace named after the test, and kubectl in everybody's hands."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_")).strip("-")
    cluster = Cluster(stack, f"{words[:48].strip('-')}-{os.urandom(3).hex()}")
    cluster.make_namespace()
    yield cluster
    for policy in cluster.objects.all("protectionpolicies"):
        if (name := policy["metadata"]["name"]) != "default":
            cluster.objects.delete("protectionpolicies", name)
    # Change requests too: the agent is the same in all tests, and has a bounded number of open ones.
    cluster.objects.delete_all("changerequests")


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin, in a home directory without keys."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    return Plugin(cluster, home)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of both logs below a cluster test that failed, and which program has ended."""
    report = yield
    running = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(running, Stack):
        for component in ("operator", "webhook"):
            log: Path = running.seconder.log_of(component)
            if log.exists():
                report.sections.append((f"{component}.log", "\n".join(log.read_text().splitlines()[-15:])))
        if wrong := running.seconder.wrong_ends:
            report.sections.append(("ended", "\n".join(wrong)))
        several = getattr(item, "funcargs", {}).get("pair", ())
        report.sections.extend((f"operator {each.name}", each.log()) for each in several)
    return report
