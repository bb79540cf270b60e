"""The chain of decisions: what was exported is told from what somebody made of it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.audit import event, line

from seconder.plugin.auditing import decision_log
from seconder.plugin.main import main
from seconder.webhook import reviewer

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


def _decided(decision: str, reason: str, **changes: Any) -> dict[str, Any]:
    """Give a line as the webhook writes it."""
    return {
        "time": "2026-11-22T12:00:00.123+00:00",
        "level": "info",
        "message": "decision",
        "review": f"review-{decision}-{reason}",
        "decision": decision,
        "reason": reason,
        "mode": "Enforce",
        "operation": "DELETE",
        "action": "Delete",
        "resource": "deployments.apps",
        "subresource": "",
        "namespace": "payments",
        "name": "checkout",
        "uid": "17eb153c",
        "user": "system:serviceaccount:seconder-agents:kiro",
        "agent": "kiro",
        "policies": ["default"],
        "approvers": [],
        "approvals": [],
        "rejected": [],
        "change_request": None,
        "break_glass": None,
        "dry_run": False,
        "seconds": 0.001,
    } | changes


_OWN = [
    {"time": "2026-11-22T11:59:00.000+00:00", "level": "info", "message": "serving", "port": 9443},
    _decided("deny", "ApprovalMissing", change_request="chg-k5xw2yqf7m3zt6a4jv0c8r1hpd"),
    _decided("allow", "Approved", approvers=["alice@example.com", "bob@example.com"]),
    _decided("allow", "NotCovered", policies=[], action=None),
    _decided("allow", "ApprovalMissing", mode="Audit"),
    _decided("allow", "BreakGlass", agent=None, user="dana@example.com", break_glass="2026-11-22T13:00:00Z fire"),
    _decided("deny", "ProtectedConfiguration", action=None, policies=[], resource="secrets", dry_run=True),
]


def _wrapped(name: str) -> Callable[[bytes], bytes]:
    """Give how a collector keeps what a container printed."""
    wraps: dict[str, Callable[[bytes], bytes]] = {
        "plain": lambda text: text,
        "kubectl logs --prefix": lambda text: b"[pod/seconder-webhook-7d/webhook] " + text,
        "kubectl logs --timestamps": lambda text: b"2026-11-22T12:00:01.5Z " + text,
        "CRI": lambda text: b"2026-11-22T12:00:01.5Z stdout F " + text,
        "Docker": lambda text: line({"log": text.decode() + "\n", "stream": "stdout", "time": "2026-11-22T12:00:01Z"}),
        "a collector's message": lambda text: line(
            {"time": "2026-11-22T12:00:01Z", "level": "info", "message": text.decode()}
        ),
        "fields of its own": lambda text: line(json.loads(text) | {"kubernetes": {"pod_name": "seconder-webhook-7d"}}),
    }
    return wraps[name]


def _own(folder: Path, wrapped: str = "plain", *more: dict[str, Any]) -> Path:
    path = folder / "webhook.log"
    path.write_bytes(
        b"".join(_wrapped(wrapped)(msgspec.json.encode(each)).rstrip(b"\n") + b"\n" for each in [*_OWN, *more, _OWN[1]])
    )
    return path


@pytest.mark.parametrize(
    "wrapped",
    [
        "plain", "kubectl logs --prefix", "kubectl logs --timestamps", "CRI", "Docker", "a collector's message",
        "fields of its own",
    ],
)  # fmt: skip
def test_the_webhooks_own_log_gives_a_chain_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrapped: str
) -> None:
    """However the log was kept; what needed no approval and what is no decision is left out, and twice is told once."""
    assert main(["report", f"--decision-log={_own(tmp_path, wrapped)}", "--export", *_SPAN]) == 0
    told = capsys.readouterr()
    assert "note:" not in told.err
    *lines, end = [json.loads(each) for each in told.out.splitlines()]
    assert [(each["what"], each["detail"]) for each in lines] == [
        ("Refused", "Delete: ApprovalMissing, policy default"),
        ("Allowed", "Delete approved by alice@example.com, bob@example.com"),
        ("Would be refused", "Delete: ApprovalMissing, policy default"),
        ("Emergency", "Delete under break-glass: 2026-11-22T13:00:00Z fire"),
        ("Refused", "delete: ProtectedConfiguration (a dry run)"),
    ]
    first = lines[0]
    assert first["object"] == "deployments.apps payments/checkout"
    assert first["requester"] == "system:serviceaccount:seconder-agents:kiro (agent kiro)"
    assert (first["change_request"], first["uid"]) == ("chg-k5xw2yqf7m3zt6a4jv0c8r1hpd", "17eb153c")
    assert (first["review"], first["audit_id"], first["code"]) == ("review-deny-ApprovalMissing", "", 403)
    assert (end["decisions"], end["notes"]) == (5, [])
    path = tmp_path / "decisions.jsonl"
    path.write_text(told.out)
    assert main(["report", f"--verify={path}"]) == 0


def test_the_reader_of_the_webhooks_log_knows_its_fields_as_the_webhook_writes_them() -> None:
    """Whoever renames one has to rename it in both."""
    written = {field.encode_name for field in msgspec.structs.fields(reviewer._Entry)}
    read = {field.encode_name for field in msgspec.structs.fields(decision_log.Decision)}
    assert read - written == {"lines_lost"}


def test_what_the_log_lost_stands_in_the_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flood of lines may have hidden a decision: the last line says so, and so does whoever verifies."""
    lost = _decided("deny", "ApprovalExpired", lines_lost=7)
    path = _own(tmp_path, "plain", lost)
    path.write_bytes(path.read_bytes() + b"%%%\n")
    assert main(["report", f"--decision-log={path}", "--export", *_SPAN]) == 0
    told = capsys.readouterr()
    notes = json.loads(told.out.splitlines()[-1])["notes"]
    assert notes == [
        f"1 line is no line of the webhook's log and left out, the first at {path}:10",
        "7 lines were lost before they could be written (lines_lost)",
    ]
    export = tmp_path / "decisions.jsonl"
    export.write_text(told.out)
    assert main(["report", f"--verify={export}"]) == 0
    assert "7 lines were lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--decision-log=audit.log", "--export"), "an API audit log: name it with --audit-log"),
        (("--audit-log=webhook.log", "--export"), "name it with report --export --decision-log"),
        (("--decision-log=text", "--export"), "text without a decision of the webhook's"),
        (("--decision-log=other", "--export"), "holds no decision of the webhook's"),
        (("--decision-log=webhook.log", "--audit-log=audit.log", "--export"), "needs either audit logs"),
        (("--export",), "needs either audit logs"),
        (("--decision-log=webhook.log",), "--decision-log is for --export"),
    ],
)
def test_a_log_of_another_kind_gives_no_chain(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    words: str,
) -> None:
    """Never an empty chain that looks like a quiet day."""
    monkeypatch.chdir(tmp_path)
    _log(tmp_path)
    _own(tmp_path)
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "other").write_bytes(msgspec.json.encode(_OWN[0]) + b"\n")
    assert main(["report", *flags, *_SPAN]) in {1, 2}
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err


def test_a_packed_log_that_is_cut_says_so_in_the_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was read is exported, and that there was more is a note under the chain's protection."""
    whole = gzip.compress(_own(tmp_path).read_bytes() * 2000)
    path = tmp_path / "webhook.log.gz"
    path.write_bytes(whole[: len(whole) // 2])
    assert main(["report", f"--decision-log={path}", "--export", *_SPAN]) == 0
    end = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert end["notes"] == [f"{path} ends in the middle: its last line of the webhook's log is left out"]


def test_no_name_steers_the_display_of_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads the file in a terminal or an editor reads what is in it; programs read the name as it is."""
    name = "eve\u202e\x9b2J\nkiro"
    noted = {"agents.seconder.dev/decision": "deny", "agents.seconder.dev/reason": "ApprovalMissing"}
    path = tmp_path / "audit.log"
    path.write_bytes(line(event(annotations=noted, user={"username": name}, responseStatus={"code": 403})))
    assert main(["report", f"--audit-log={path}", "--export", *_SPAN]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text.splitlines()[0])["requester"] == name
    kept = tmp_path / "decisions.jsonl"
    kept.write_text(text)
    assert main(["report", f"--verify={kept}"]) == 0
