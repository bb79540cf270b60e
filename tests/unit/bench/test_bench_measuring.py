"""What is measured is what it says it is."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import imports, machine, reviews
from bench.servers import Server

from seconder.admission import codec


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell another process's CPU time")
def test_cpu_time_of_a_process_is_its_own() -> None:
    """The clock that is read from outside agrees with what the process itself is told."""
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass
    assert machine.cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.01)


def test_reviews_are_what_the_goals_speak_of() -> None:
    """A review is about 7.5 kB, has a uid of its own, and reads as an agent's DELETE of a Deployment."""
    first, second = reviews.review(), reviews.review()
    assert 7_000 <= len(first) <= 8_000
    assert json.loads(first)["request"]["uid"] != json.loads(second)["request"]["uid"]
    request = codec.decode(first)
    assert (request.operation, str(request.target.resource), request.target.path, request.caller.username) == (
        "DELETE",
        "deployments.apps",
        "payments/checkout",
        "system:serviceaccount:seconder-agents:kiro",
    )


def test_imports_are_summed_up_by_package() -> None:
    """Time inside a package's modules counts for the package, largest first; other output is passed over."""
    log = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:    100000 |     100000 |   fastapi.routing\n"
        'import time:     50000 |     150000 | fastapi\n{"level":"info"}\nimport time:     20000 |      20000 | json\n'
    )
    assert imports.spent(log) == "0.17 s of imports (traced), the most in: fastapi 0.15, json 0.02"


class _Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = (
            "# TYPE seconder_admission_requests_total counter\n"
            'seconder_admission_requests_total{decision="deny",reason="a b"} 3.0\n'
            'seconder_admission_requests_total{decision="allow"} 4.0\n'
            'seconder_admission_requests_created{decision="allow"} 1700000000.0\n'
            "seconder_admission_requests_in_flight 9.0\n"
        )
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def metrics_address() -> Iterator[str]:
    """Serve a webhook's metrics."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Metrics) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_webhook_calls_are_counted_over_all_labels(metrics_address: str, tmp_path: Path) -> None:
    """Every review counts once, whatever came of it, and no other series is added to it."""
    process = machine.Process("sleep", ["sleep", "30"], tmp_path / "log", {})
    with process:
        assert Server("any", process, "", metrics_address, tmp_path, "").requests() == 7


_ASIDE = """
import os, sys, time
from pathlib import Path
from bench import machine
machine.step_aside()
with machine.Process("a server", ["sleep", "60"], Path(sys.argv[1]), {}) as server:
    pid, until = server._child.pid, time.monotonic() + 30
    while Path(f"/proc/{pid}/comm").read_text() != "sleep\\n" and time.monotonic() < until:
        time.sleep(0.01)
    print(sorted(os.sched_getaffinity(0)), sorted(os.sched_getaffinity(pid)))
"""


def test_a_server_has_a_core_of_its_own_once_the_rest_has_stepped_aside(tmp_path: Path) -> None:
    """Beside the load generator on one core, its caches would be cold whenever it is asked."""
    told = subprocess.run(
        [sys.executable, "-c", _ASIDE, tmp_path / "log"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    cores = sorted(os.sched_getaffinity(0))
    assert told == (f"[{machine.OTHER_CORE}] [{machine.SERVER_CORE}]" if machine.can_pin() else f"{cores} {cores}")
