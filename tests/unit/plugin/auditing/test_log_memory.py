"""Logs take little memory, whatever they are wrapped in and however large their events are."""

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.audit import event, line

_MOST = 64 * 1024
"""KiB beyond what a small log takes."""

_COPIES = 2
_POLICY = """\
apiVersion: seconder.dev/v1alpha1
kind: ProtectionPolicy
metadata: {name: production}
spec:
  resources:
  - {group: "", resources: [namespaces, configmaps]}
  - {group: apps, resources: [deployments]}
"""
_PROGRAM = """\
import sys
from seconder.plugin.main import main
code = main(sys.argv[1:])
print(open("/proc/self/status").read(), file=sys.stderr)
sys.exit(code)
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process its own peak"),
]


def _deployment(variables: int) -> dict[str, Any]:
    values = [{"name": f"N{number}", "value": "v" * 60} for number in range(variables)]
    template = {"spec": {"containers": [{"name": "c", "image": "i", "env": values}]}}
    metadata = {"name": "checkout", "namespace": "payments", "uid": "u"}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": metadata, "spec": {"template": template}}


def _updated(body: dict[str, Any], **more: Any) -> dict[str, Any]:
    return event("update", level="RequestResponse", requestObject=body, responseObject=body, **more)


def _deployments() -> dict[str, Any]:
    return _updated(_deployment(38_000))


def _config_map() -> dict[str, Any]:
    data = {f"k{number}": "y" for number in range(270_000)}
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "checkout", "uid": "u"}, "data": data}
    return _updated(body, resource="configmaps", group="")


def _collection() -> dict[str, Any]:
    managed = [{"manager": "m", "fieldsV1": {f"f:{number}": {} for number in range(30)}}]
    items = [
        {"metadata": {"name": f"p-{number}", "uid": f"u{number}", "labels": {"app": "x"}, "managedFields": managed}}
        for number in range(15_000)
    ]
    found = {"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {}, "items": items}
    return event("deletecollection", level="RequestResponse", ref={"name": ""}, responseObject=found)


def _deleted() -> dict[str, Any]:
    return event(level="RequestResponse", requestObject={"kind": "DeleteOptions"}, responseObject=_deployment(76_000))


def _annotated() -> dict[str, Any]:
    """Give what no API server stores: annotations of more than 256 KiB."""
    annotations = {f"k{number}": "y" for number in range(260_000)}
    return _updated(_deployment(1) | {"metadata": {"name": "checkout", "annotations": annotations}})


def _lines(made: Callable[[], dict[str, Any]]) -> bytes:
    return b"".join(line(made()) for _ in range(_COPIES))


def _pieces(text: str) -> str:
    cut = [text[at : at + 16_000] for at in range(0, len(text), 16_000)]
    marks = ["P"] * (len(cut) - 1) + ["F"]
    return "".join(f"2026-11-22T12:00:01.5Z stdout {mark} {piece}\n" for mark, piece in zip(marks, cut, strict=True))


def _texts() -> list[str]:
    return _lines(_deployments).decode().splitlines()


_LOGS: dict[str, Callable[[], bytes]] = {
    "deployments": lambda: _lines(_deployments),
    "config maps": lambda: _lines(_config_map),
    "a collection": lambda: _lines(_collection),
    "deletions": lambda: _lines(_deleted),
    "annotations": lambda: _lines(_annotated),
    "gzip": lambda: gzip.compress(_lines(_deployments), 1),
    "UTF-16": lambda: _lines(_deployments).decode().encode("utf-16"),
    "Docker": lambda: b"".join(line({"log": f"{text}\n", "stream": "stdout"}) for text in _texts()),
    "CRI": lambda: "".join(map(_pieces, _texts())).encode(),
    "AKS": lambda: b"".join(line({"properties": {"log": f"{text}\n", "stream": "stdout"}}) for text in _texts()),
    "CloudWatch": lambda: json.dumps({"events": [{"message": text} for text in _texts()]}, indent=4).encode(),
    "EventList": lambda: json.dumps({"kind": "EventList", "items": list(map(json.loads, _texts()))}, indent=1).encode(),
}


def _peak(folder: Path, log: bytes) -> int:
    """Give the most memory that replay was given for it, in KiB; it has judged some request."""
    path, policy = folder / "audit.log", folder / "policy.yaml"
    path.write_bytes(log)
    policy.write_text(_POLICY)
    command = [sys.executable, "-c", _PROGRAM, "replay", str(path), f"--policy={policy}", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={"HOME": "/nowhere"})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["refused"]["requests"] or told["notJudged"], told
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    assert peak
    return int(peak[1])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The memory that a log of one small event takes."""
    return _peak(tmp_path_factory.mktemp("small"), line(event()))


@pytest.mark.parametrize("form", _LOGS)
def test_events_of_7_mb_take_less_than_64_mib(tmp_path: Path, small: int, form: str) -> None:
    """Each is read, judged and let go before the next one."""
    log = _LOGS[form]()
    taken = _peak(tmp_path, log) - small
    assert taken <= _MOST, f"{taken / 1024:.1f} MiB"
