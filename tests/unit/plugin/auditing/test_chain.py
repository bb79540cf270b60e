"""The chain of decisions: what was exported is told from what somebody made of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.audit import event, line

from seconder.plugin.main import main

_SPAN = ("--since=2026-11-22T00:00:00Z", "--until=2026-11-23T00:00:00Z")


def _log(folder: Path) -> Path:
    def noted(decision: str, **more: str) -> dict[str, Any]:
        notes = {"decision": decision, "action": "Delete", **more}
        code = 200 if decision == "allow" else 403
        return event(
            annotations={f"agents.seconder.dev/{name}": value for name, value in notes.items()},
            responseStatus={"code": code},
        )

    path = folder / "audit.log"
    documents = [
        noted("deny", reason="ApprovalMissing"),
        noted("allow", reason="Approved", approvers="alice@example.com"),
        noted("deny", reason="ApprovalExpired"),
        event("get"),
    ]
    path.write_bytes(b"".join(map(line, [*documents, documents[0]])))
    return path


def _exported(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["report", f"--audit-log={_log(folder)}", "--export", *_SPAN]) == 0
    told = capsys.readouterr()
    assert "to be kept elsewhere" in told.err
    path = folder / "decisions.jsonl"
    path.write_text(told.out)
    return path


def test_each_decision_is_a_line_that_says_who_what_and_when(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a cluster; what stands twice is told once."""
    lines = [json.loads(each) for each in _exported(tmp_path, capsys).read_text().splitlines()]
    assert [each.get("what") for each in lines] == ["Refused", "Allowed", "Refused", None]
    assert lines[1]["detail"] == "Delete approved by alice@example.com"
    assert lines[1]["requester"] == "system:serviceaccount:seconder-agents:kiro (agent kiro)"
    assert lines[1]["at"] == "2026-11-22T12:00:00.123456+00:00"
    assert lines[-1]["decisions"] == 3


def test_a_whole_export_is_verified_and_told_by_its_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Offline, from the file alone."""
    path = _exported(tmp_path, capsys)
    assert main(["report", f"--verify={path}"]) == 0
    assert capsys.readouterr().out.startswith("3 decisions, none missing up to the last line, whose SHA-256 is ")


@pytest.mark.parametrize("harm", ["out", "in", "order", "change", "cut", "half", "end", "behind", "nothing", "other"])
def test_whatever_is_taken_out_put_in_or_changed_breaks_the_chain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    """One line that says where, and exit code 1."""
    path = _exported(tmp_path, capsys)
    one, two, three, end = path.read_text().splitlines(keepends=True)
    text = {
        "out": one + three + end,
        "in": one + one + two + three + end,
        "order": two + one + three + end,
        "change": one.replace("checkout", "other") + two + three + end,
        "cut": one + two,
        "half": one + two + three[:40],
        "end": one + two + three.replace("Expired", "Missing") + end,
        "behind": one + two + three + end + one,
        "nothing": "",
        "other": "hello\n",
    }[harm]
    path.write_text(text)
    assert main(["report", f"--verify={path}"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: {path} is not whole: ")
    assert told.err.count("\n") == 1
