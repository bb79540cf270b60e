"""Reading an audit log: nothing that counts is passed over, and nothing that is broken stops it."""

import gzip
import json
import random
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.audit import DANA, KIRO, event, line

from seconder.plugin.auditing import log_files
from seconder.plugin.auditing.audit_log import Event, requests
from seconder.plugin.auditing.log_files import Reading
from seconder.plugin.terminal.problem import Problem


class _Watcher:
    def __init__(self) -> None:
        self.told: list[tuple[int, int | None]] = []

    def at(self, position: int, total: int | None) -> None:
        self.told.append((position, total))


def _read(*paths: Path | str) -> tuple[list[Event], Reading]:
    reading = Reading()
    return list(requests([str(path) for path in paths], reading, _Watcher())), reading


def _log(folder: Path, *lines: bytes) -> Path:
    path = folder / "audit.log"
    path.write_bytes(b"".join(lines))
    return path


def test_each_request_is_given_once_when_it_was_over(tmp_path: Path) -> None:
    """Its other stages are not; a panic is an end too."""
    stages = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]
    found, reading = _read(_log(tmp_path, *(line(event(stage=stage)) for stage in stages)))
    assert [each.stage for each in found] == ["ResponseComplete", "Panic"]
    assert (reading.lines, reading.requests, reading.bad) == (4, 2, 0)


@given(st.randoms(use_true_random=False), st.integers(0, 2))
def test_key_order_spaces_and_escapes_change_nothing(chance: random.Random, spaces: int) -> None:
    """A verb that is spelt with escapes is the same verb: a log that somebody rewrote loses no deletion."""
    document = event(verb="delete", user=DANA)
    keys = list(document)
    chance.shuffle(keys)
    text = json.dumps(
        {key: document[key] for key in keys}, indent=None, separators=("," + " " * spaces, ":" + " " * spaces)
    )
    text = text.replace('"delete"', '"' + "".join(f"\\u{ord(each):04x}" for each in "delete") + '"')
    text = text.replace('"verb"', '"\\u0076erb"').replace('"stage"', '"sta\\u0067e"')
    decoded = msgspec.json.decode(text.encode(), type=Event)
    assert (decoded.verb, decoded.stage, decoded.acting.username) == ("delete", "ResponseComplete", DANA["username"])


def test_what_stands_in_a_body_is_not_taken_for_the_event(tmp_path: Path) -> None:
    """Verbs, stages and users in a request's body belong to the body."""
    body = {"verb": "get", "stage": "RequestReceived", "user": DANA, "objectRef": {"resource": "pods"}}
    (found,), _ = _read(_log(tmp_path, line(event(requestObject=body, responseObject=body))))
    assert (found.verb, found.acting.username) == ("delete", KIRO["username"])
    assert found.object_ref is not None
    assert found.object_ref.resource == "deployments"


def test_the_one_who_was_impersonated_is_who_acted(tmp_path: Path) -> None:
    """Admission is told nothing else."""
    (found,), _ = _read(_log(tmp_path, line(event(user=DANA, impersonatedUser=KIRO))))
    assert found.acting.username == KIRO["username"]


@pytest.mark.parametrize(
    "bad",
    [
        b"garbage\n", b"{}\n", b"[]\n", b"null\n",
        b'{"kind":"Pod","apiVersion":"v1","stage":"ResponseComplete","verb":"x"}\n',
        b"\xff\xfe\x00\n", b'{"kind":"Event","apiVersion":"v1","stage":"ResponseComplete","verb":"delete"}\n',
        b"[" * 100_000 + b"\n", line(event() | {"verb": 7}), line(event(user=[])),
        line(event(requestReceivedTimestamp="noon")),
        line(event(responseStatus={"code": "x"})),
        line(event(requestReceivedTimestamp="0001-01-01T00:00:00+14:00")),
        line(event(requestReceivedTimestamp="9999-12-31T23:59:59-14:00")),
    ],
    ids=range(14),
)  # fmt: skip
def test_a_line_that_is_no_event_is_counted_and_told_where(tmp_path: Path, bad: bytes) -> None:
    """The rest is read on."""
    path = _log(tmp_path, line(event()), b"\n", bad, line(event()), bad)
    found, reading = _read(path)
    assert (len(found), reading.bad, reading.first_bad) == (2, 2, f"{path}:3")
    (note,) = reading.notes
    assert note.startswith(f"2 lines are no audit event and left out, the first at {path}:3")


def test_a_last_line_that_is_cut_is_told_apart(tmp_path: Path) -> None:
    """A log that is still written, or was rotated by copying, ends anywhere; a whole line needs no newline."""
    path = _log(tmp_path, line(event()), line(event())[:-40])
    found, reading = _read(path)
    assert (len(found), reading.bad, reading.cut) == (1, 0, [str(path)])
    found, reading = _read(_log(tmp_path, line(event()), line(event())[:-1]))
    assert (len(found), reading.cut) == (2, [])


def test_a_line_beyond_all_bounds_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays as it is; what follows is read."""
    monkeypatch.setattr(log_files, "_LONGEST", 300_000)
    long = line(event(requestObject={"data": "x" * 2_000_000}))
    path = _log(tmp_path, long, line(event()), long)
    found, reading = _read(path)
    assert (len(found), reading.bad, reading.bytes) == (1, 2, path.stat().st_size)


def test_a_packed_log_is_read_as_if_it_were_not(tmp_path: Path) -> None:
    """Whatever its name; several after one another too."""
    plain, packed = tmp_path / "b", tmp_path / "a.log"
    plain.write_bytes(line(event()))
    packed.write_bytes(gzip.compress(line(event()) * 3) + gzip.compress(line(event())))
    found, reading = _read(packed, plain)
    assert (len(found), reading.bad, reading.cut) == (5, 0, [])


@pytest.mark.parametrize("harm", ["cut", "damaged"])
def test_a_packed_log_that_is_broken_is_read_as_far_as_it_goes(tmp_path: Path, harm: str) -> None:
    """And said to be so."""
    path = tmp_path / "audit.log.gz"
    packed = gzip.compress(b"".join(line(event(requestObject={"x": random.random()})) for _ in range(20_000)))  # noqa: S311
    half = len(packed) // 2
    path.write_bytes(packed[:half] if harm == "cut" else packed[:half] + b"\0" * 100 + packed[half + 100 :])
    found, reading = _read(path)
    assert found
    assert reading.cut == [str(path)]


def test_of_a_packed_log_that_breaks_off_no_whole_line_is_lost(tmp_path: Path) -> None:
    """Such as one that is still being written: all but what is still in the packer's hands."""
    path = tmp_path / "audit.log.gz"
    packer = zlib.compressobj(wbits=31)
    whole = packer.compress(b"".join(line(event()) for _ in range(500))) + packer.flush(zlib.Z_SYNC_FLUSH)
    path.write_bytes(whole + packer.compress(line(event())) + packer.flush(zlib.Z_SYNC_FLUSH)[:-9])
    found, reading = _read(path)
    assert len(found) >= 500
    assert reading.cut == [str(path)]


def test_how_far_it_is_is_told_in_bytes_of_the_files(tmp_path: Path) -> None:
    """Up to all of them, packed or not."""
    plain, packed = tmp_path / "a", tmp_path / "b.gz"
    plain.write_bytes(line(event(requestObject={"x": "y" * 1_000})) * 5_000)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    watcher = _Watcher()
    assert len(list(requests([str(plain), str(packed)], Reading(), watcher))) == 10_000
    total = plain.stat().st_size + packed.stat().st_size
    positions = [position for position, _ in watcher.told]
    assert positions == sorted(positions)
    assert len(positions) > 5
    assert positions[-1] == total
    assert {each for _, each in watcher.told} == {total}


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """One line that names it."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Problem, match="cannot read"):
            _read(path)


def test_nothing_that_a_null_stands_for_is_missed(tmp_path: Path) -> None:
    """The API server writes null groups and extras."""
    user: dict[str, Any] = {"username": "x", "groups": None, "extra": {"a": None, "b": ["c"]}}
    (found,), _ = _read(_log(tmp_path, line(event(user=user, objectRef=None))))
    assert found.acting.caller.extra == {"a": (), "b": ("c",)}
    assert found.object_ref is None


def _decoded(document: dict[str, Any]) -> Event:
    return msgspec.json.decode(line(document), type=Event)


@pytest.mark.parametrize("verb", ["patch", "update", "create", "delete", "deletecollection"])
@pytest.mark.parametrize(
    ("query", "dry"),
    [
        ("dryRun=All", True),
        ("x=%zz&dry%52un=%41ll&y=;", True),
        ("dryRun=All;", False),
        ("dryRun=All;x=y", False),
        ("x=y;dryRun=All", False),
        ("dryRun=%ZZ", False),
        ("dryRun=All%", False),
        ("dryRun=All%4", False),
        ("%dryRun=All", False),
        ("dryRun", False),
        ("dryRun=", False),
        ("dryRun=all", False),
        ("dryrun=All", False),
        ("dryRun=All&" + "x&" * 10_000, False),
    ],
)
def test_a_dry_run_is_what_the_api_server_takes_for_one(verb: str, query: str, dry: bool) -> None:
    """It reads as Go's url.ParseQuery, and knows one value: or what was stored is told as only tried."""
    assert _decoded(event(verb, requestURI=f"/x?{query}", level="Request")).dry_run is dry


@pytest.mark.parametrize("given", ["All", ["x"], {"All": 1}, None, [], [["All"]]])
def test_options_that_no_api_server_takes_make_no_dry_run(given: Any) -> None:
    """They are refused; what is told of them is no dry run."""
    assert not _decoded(event(requestObject={"kind": "DeleteOptions", "dryRun": given})).dry_run


@pytest.mark.parametrize(("verb", "subresource"), [("create", "exec"), ("get", "exec"), ("create", "proxy")])
def test_what_opens_a_connection_is_no_dry_run(verb: str, subresource: str) -> None:
    """It knows no such option, and a process in a pod runs whatever the address says."""
    ref = {"resource": "pods", "apiGroup": "", "subresource": subresource}
    assert not _decoded(event(verb, requestURI="/x?dryRun=All", ref=ref)).dry_run


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ("orphanDependents=true", True),
        ("orphanDependents=x", True),
        ("orphanDependents=fal%C5%BFe", False),
        ("orphanDependents=FALSE&orphanDependents=true", False),
        ("orphanDependents=%ZZ", None),
        ("orphanDependents=true;", None),
    ],
)
def test_dependents_are_orphaned_as_the_api_server_reads_it(query: str, counts: bool | None) -> None:
    """The first value, in any case; a pair that it leaves out counts for nothing."""
    assert _decoded(event(requestURI=f"/x?{query}", level="Request")).deletion.get("orphanDependents") is counts


@pytest.mark.parametrize("code", [0, 200, 302, 408, 499, 500, 501, 502, 503, 504, 507, 599])
def test_what_may_have_been_done_all_the_same_is_not_told_as_nothing(code: int) -> None:
    """Of eight deletions with ?timeout=20ms that were answered 504, two were done."""
    assert not _decoded(event(responseStatus={"code": code})).failed


def test_what_was_refused_before_it_was_written_came_to_nothing() -> None:
    """But for what may have been done in part: a collection of which one object is refused, a deletion in conflict."""
    refused = [code for code in range(600) if _decoded(event("patch", responseStatus={"code": code})).failed]
    assert refused == [400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 414, 415, 422, 429, 431]
    for verb, code, nothing in (("delete", 403, True), ("delete", 409, False), ("deletecollection", 403, False)):
        assert _decoded(event(verb, responseStatus={"code": code})).failed is nothing
    told = {"authorization.k8s.io/decision": "forbid"}
    assert _decoded(event("deletecollection", annotations=told, responseStatus={"code": 403})).failed
