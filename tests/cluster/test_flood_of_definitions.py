"""Definitions and namespaces as large as an agent may make them, while both programs start on them."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bench.flood import peak
from tests.support.cluster import eventually

from localstack.binaries import provide
from localstack.stack import Stack
from seconder.api import constants
from seconder.client.api import Api, ApiError
from seconder.client.client_config import load

_FEW = 6
"""Of what the API server itself has much work with."""
_MANY = 16
_MOST_BYTES = 48 * 1024 * 1024
"""By which a program may grow. To keep what is made here whole takes far more, for each of its forms."""

_POLLS = 40
"""Without a change, and a program has read all that there is."""

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_LABELS = {f"a{number:05}": "v" * 63 for number in range(14_000)}
"""About 1 MB."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, since all others would start on the same objects."""
    with Stack(tmp_path_factory.mktemp("stack"), provide(any_kubectl=False), controllers=False) as running:
        yield running


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Api:
    """Who may do everything."""
    return Api(load(str(stack.admin_kubeconfig)), user_agent="test")


def test_definitions_that_come_back_are_watched_as_before(stack: Stack, admin: Api) -> None:
    """By kopf too, which knows of none that comes after its start."""
    path = f"{_DEFINITIONS}/approverauthorities.{constants.DOMAIN}"
    eventually(lambda: _watches(admin) > 1, 30, "both programs watch")
    before = _watches(admin)
    definition = admin.get(path)
    for _ in range(2):
        admin.delete(path, uid=definition["metadata"]["uid"])
        eventually(lambda: admin.find(path) is None, 30, "the definition is gone")
        made = {key: definition["metadata"].get(key) for key in ("name", "labels", "annotations")}
        definition = admin.create(_DEFINITIONS, definition | {"metadata": made, "status": None})
        eventually(lambda: _watches(admin) == before, 60, "all watch again")


def _watches(admin: Api) -> int:
    told = admin.get("/metrics", accept="text/plain", decode=bytes.decode)
    of_it = r'^apiserver_longrunning_requests\{.*resource="approverauthorities".*verb="WATCH".*\} (\d+)$'
    return sum(map(int, re.findall(of_it, told, re.MULTILINE)))


def test_large_definitions_and_namespaces_take_little_memory(stack: Stack, admin: Api) -> None:
    """Whatever makes them large: nothing of it is kept, and no more than one is read at once."""
    before = _started_anew(stack)
    large = [("/api/v1/namespaces", {"metadata": {"name": f"n{number}", "labels": _LABELS}}) for number in range(_FEW)]
    large += [(_DEFINITIONS, _with_a_column(number)) for number in range(_MANY)]
    large += [(_DEFINITIONS, _with_labels(number)) for number in range(_FEW)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: _made(admin, *each), large))
    after = _started_anew(stack)
    grown = {program: after[program] - before[program] for program in before}
    assert max(grown.values()) < _MOST_BYTES, {program: f"{size >> 20} MiB" for program, size in grown.items()}


def _started_anew(stack: Stack) -> dict[str, int]:
    """The highest resident sets of both programs, in bytes, when they have read all that there is."""
    seconder = stack.seconder
    seconder.stop()
    seconder.start_operator()
    seconder.start_webhook()
    seconder.wait_ready()
    sizes: list[dict[str, int]] = []

    def settled() -> bool:
        sizes.append({program: peak(stack, program) for program in ("operator", "webhook")})
        return len(sizes) > _POLLS and sizes[-1] == sizes[-_POLLS]

    eventually(settled, 60, "no more is read")
    return sizes[-1]


def _made(admin: Api, path: str, document: dict[str, Any]) -> None:
    """Create it, again where the API server is too busy."""

    def made() -> bool:
        try:
            admin.create(path, document, timeout=60)
        except ApiError as error:
            if error.status not in {0, 409, 429, 500, 504}:
                raise
            return error.status == 409
        return True

    eventually(made, 120, f"{document['metadata']['name']} is there")


def _definition(name: str, metadata: dict[str, Any], version: dict[str, Any]) -> dict[str, Any]:
    group = "large.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    # Where it is not served, the API server itself has no work with it.
    versions = [{"name": "v1", "served": False, "storage": True, "schema": schema, **version}]
    names = {"plural": f"{name}s", "singular": name, "kind": name.capitalize()}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
    return {"metadata": {"name": f"{name}s.{group}", **metadata}, "spec": spec}


def _with_a_column(number: int) -> dict[str, Any]:
    column = {"name": "x", "type": "string", "jsonPath": ".spec.x", "description": "x" * 1_150_000}
    return _definition(f"column{number}", {}, {"additionalPrinterColumns": [column]})


def _with_labels(number: int) -> dict[str, Any]:
    return _definition(f"label{number}", {"labels": _LABELS}, {})
