"""One real node for the whole run, Seconder's image on it, and a table of what was measured."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.e2e.unpacked import Unpacked

from localstack.binaries import provide
from localstack.pins import NODE, TESTS, Binary
from localstack.process import tail_of
from node import image, prerequisites
from node.node import Node

_FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the table."""
    config.stash[_FIGURES] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put those first that start nodes of their own: the machine has room for one at a time."""
    items.sort(key=lambda item: "node" in getattr(item, "fixturenames", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    figures = config.stash[_FIGURES]
    if figures:
        terminalreporter.section("measured")
        width = max(map(len, figures))
        for title, figure in figures.items():
            terminalreporter.write_line(f"{title:<{width}}  {figure}")


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> dict[str, str]:
    """What is printed at the end: a figure with its unit, by title."""
    return pytestconfig.stash[_FIGURES]


@pytest.fixture(scope="session")
def binaries() -> dict[Binary, Path]:
    """Where the cluster's programs are."""
    prerequisites.ensure()
    return provide((*TESTS, *NODE), any_kubectl=False)


@pytest.fixture(scope="session")
def archive() -> Path:
    """The OCI archive of Seconder's image, built from the working tree."""
    prerequisites.ensure()
    return image.seconder()


@pytest.fixture(scope="session")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The image's configuration and its files, in a folder."""
    return Unpacked(archive, tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def node(binaries: dict[Binary, Path], archive: Path) -> Iterator[Node]:
    """A node that has Seconder's image."""
    with Node(binaries) as running:
        running.load_image(archive)
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the node's logs below a test that failed."""
    report = yield
    running = getattr(item, "funcargs", {}).get("node")
    if report.failed and isinstance(running, Node):
        report.sections.extend((log.name, tail_of(log)) for log in running.logs)
    return report
