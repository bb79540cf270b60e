"""A command line or kubeconfig that cannot be followed: one line that says why, exit code 1, no traceback."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from seconder.__main__ import main

_ROOT = Path(__file__).parents[2]
_HERE = "--metrics-bind-address=127.0.0.1:0"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "https://[::1", "https://127.0.0.1:99999", "https://127.0.0.1:x", "https://h/path"]
)
def test_a_webhook_url_that_is_none(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Said at once: the API server would refuse it, or call nobody."""
    assert main(["operator", f"--webhook-url={url}", _HERE]) == 1
    assert _one_line(capsys).startswith("seconder operator: not a base URL: ")


@pytest.mark.parametrize("service", ["name:443", "ns/name:0", "ns/name:99999", "ns/name:²", "/:"])
def test_a_webhook_service_that_is_none(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Said at once: the API server would refuse it."""
    assert main(["operator", f"--webhook-service={service}", _HERE]) == 1
    assert _one_line(capsys).startswith("seconder operator: not a Service: ")


@pytest.mark.parametrize("address", ["x", "127.0.0.1:99999", "127.0.0.1:²"])
def test_an_address_that_is_none(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Said with an example of one."""
    assert main(["webhook", f"--bind-address={address}"]) == 1
    assert _one_line(capsys).startswith("seconder webhook: not an address: ")


@pytest.mark.parametrize(("one", "all_"), [(0, 1), (9, 3), (1, 10_001), (-1, 5)])
def test_limits_that_contradict_each_other(one: int, all_: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Said with both of them, and with the bound."""
    assert main(["webhook", f"--open-per-requester={one}", f"--open-in-all={all_}", _HERE]) == 1
    told = _one_line(capsys)
    assert f"--open-per-requester {one} <= --open-in-all {all_} <= 10000" in told


@pytest.mark.parametrize(
    "origin",
    [
        "http://approve.example.com",
        "https://approve.example.com/",
        "https://approve.example.com:443",
        "https://Approve.example.com",
        "https://10.0.0.1",
        "https://user@approve.example.com",
        "https://approve.example.com:x",
        "http://127.0.0.1:8080",
        "http://localhost:80",
        "approve.example.com",
        "",
    ],
)
def test_an_origin_at_which_no_passkey_can_be_asked(origin: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Said at once: passkeys are bound to its host for good, and a browser compares it letter by letter."""
    assert main(["portal", f"--origin={origin}", _HERE]) == 1
    assert _one_line(capsys).startswith("seconder portal: not an origin for passkeys: ")


@pytest.mark.parametrize("content", [b"foo: [\n", b"foo", b"\x00\xff", b""])
def test_a_kubeconfig_that_is_none(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, though a YAML parser tells it in five."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(content)
    assert main(["webhook", f"--kubeconfig={kubeconfig}", "--bind-address=127.0.0.1:0", _HERE]) == 1
    assert "is not usable: " in _one_line(capsys)


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err


_ENDING = """
import atexit, sys
from seconder import __main__, startup
from seconder.observability import log

def webhook(_):
    atexit.register(print, "the interpreter was taken apart", flush=True)
    for number in range(300):
        log.info("x" * 1000, number=number)
    return 7

startup.webhook = webhook
sys.argv = ["seconder", "webhook"]
__main__.program()
"""


def test_the_process_ends_with_its_threads_as_they_are_and_all_lines_written() -> None:
    """A thread that reads from the network would otherwise use what the interpreter has freed: SIGSEGV at a stop."""
    done = subprocess.run([sys.executable, "-c", _ENDING], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == list(range(300))


def test_every_way_to_start_a_program_ends_so() -> None:
    """As installed, and as a module."""
    installed = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["scripts"]["seconder"]
    assert installed == "seconder.__main__:program"
    module = (_ROOT / "controller" / "seconder" / "__main__.py").read_text()
    assert module.endswith('if __name__ == "__main__":\n    program()\n')
