"""Audit logs as people have them: the same requests are read from each form, or it is said what the form is."""

import base64
import codecs
import gzip
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.audit import DANA, event

from seconder.plugin.auditing import log_files, unpacking
from seconder.plugin.auditing.audit_log import requests
from seconder.plugin.auditing.log_files import Reading
from seconder.plugin.terminal.problem import Problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_INSIDE = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete", "verb": "delete"}
"""What a client may write into an object's body: it is no event of the API server's."""

EVENTS: list[dict[str, Any]] = [
    event(auditID="one"),
    event("delete", "namespaces", "", auditID="two", ref={"name": 'sh"op', "namespace": None}),
    event("patch", auditID="three", user=DANA, requestObject={"items": [_INSIDE], "data": {"a": '}]"{[\n{"'}}),
]
IDS = [each["auditID"] for each in EVENTS]
_TIME = "2026-11-20T03:01:00.123456789Z"


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


LINES = [_compact(each) for each in EVENTS]
_COMMAS = ",\n".join(LINES)


def _each(wrap: Callable[[str], Any], end: str = "\n") -> str:
    return "".join((made if isinstance(made := wrap(text), str) else _compact(made)) + end for text in LINES)


def _parts(wrap: Callable[[str, bool], str]) -> str:
    """Each line in pieces, as container runtimes cut them."""
    found = []
    for text in LINES:
        pieces = [text[at : at + 100] for at in range(0, len(text), 100)]
        found += [wrap(piece, number == len(pieces) - 1) for number, piece in enumerate(pieces)]
    return "".join(f"{each}\n" for each in found)


def _base64(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode())).decode()


def _azure(text: str) -> dict[str, Any]:
    return {"time": _TIME, "category": "kube-audit", "properties": {"log": f"{text}\n", "stream": "stdout", "pod": "a"}}


_CLOUD_WATCH = {
    "events": [{"logStreamName": "kube-apiserver-audit-0", "timestamp": 1, "message": each} for each in LINES],
    "searchedLogStreams": [],
}
_SUBSCRIBED = [
    {"messageType": "DATA_MESSAGE", "owner": "1", "logEvents": [{"id": str(number), "timestamp": 1, "message": each}]}
    for number, each in enumerate(LINES)
]
_LIST = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": EVENTS}
_LOKI = {
    "status": "success",
    "data": {
        "resultType": "streams",
        "result": [
            {"stream": {"job": '{"a'}, "values": [["1", each] for each in LINES[:2]]},
            {"stream": {"job": "b"}, "values": [["2", LINES[2], {"structured": "x"}]]},
        ],
        "stats": {"summary": {"values": []}},
    },
}

FORMS: dict[str, str] = {
    "plain": _each(str),
    "without the last newline": "\n".join(LINES),
    "windows line ends": _each(str, "\r\n"),
    "event list": _compact(_LIST),
    "event list, pretty": json.dumps(_LIST, indent=2),
    "event list, pretty with tabs": json.dumps(_LIST, indent="\t"),
    "event list, each on a line":
        f'{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[\n{_COMMAS}]}}\n',
    "event lists after one another": _each(lambda text: _LIST | {"items": [json.loads(text)]}),
    "array": _compact(EVENTS),
    "array, pretty": json.dumps(EVENTS, indent=4),
    "array, not indented": json.dumps(EVENTS, indent=0),
    "array, a line each": f"[\n{_COMMAS}\n]\n",
    "array, a line each, brackets beside": f"[{_COMMAS}]",
    "array, commas in front": f"[{LINES[0]}\n,{LINES[1]}\n,{LINES[2]}\n]",
    "events over several lines": _each(lambda text: json.dumps(json.loads(text), indent=2)),
    "events without anything between": "".join(LINES),
    "time in front": _each(lambda text: f"{_TIME} {text}"),
    "time and tab in front": _each(lambda text: f"2026-11-20 03:01:00,123\t{text}"),
    "CRI": _each(lambda text: f"{_TIME} stdout F {text}"),
    "CRI in parts": _parts(lambda piece, last: f"{_TIME} stdout {'F' if last else 'P'} {piece}"),
    "Docker": _each(lambda text: {"log": f"{text}\n", "stream": "stdout", "time": _TIME}),
    "Docker in parts": _parts(
        lambda piece, last: _compact({"log": piece + "\n" * last, "stream": "stdout", "time": _TIME})
    ),
    "kubectl logs --prefix": _each(lambda text: f"[pod/kube-apiserver-a/kube-apiserver] {text}"),
    "syslog": _each(lambda text: f"<14>Nov 20 03:01:00 host kube-apiserver[1]: {text}"),
    "OpenShift's node-logs": _each(lambda text: f"master-0.example.com {text}"),
    "CloudWatch filter-log-events": json.dumps(_CLOUD_WATCH, indent=4),
    "CloudWatch filter-log-events, compact": _compact(_CLOUD_WATCH),
    "CloudWatch export": _each(lambda text: f"2026-11-20T03:01:00.123Z {text}"),
    "CloudWatch subscription": "".join(map(_compact, _SUBSCRIBED)),
    "CloudWatch subscription, lines": "\n".join(map(_compact, _SUBSCRIBED)),
    "CloudWatch to Lambda": _compact(
        {"awslogs": {"data": _base64(_compact(_SUBSCRIBED[0] | {"logEvents": [{"message": each} for each in LINES]}))}}
    ),
    "CloudWatch to Kinesis": _compact({"Records": [{"Data": _base64(_compact(each))} for each in _SUBSCRIBED]}),
    "CloudWatch Insights": json.dumps(
        {"results": [[{"field": "@timestamp", "value": "x"}, {"field": "@message", "value": each}] for each in LINES]}
    ),
    "AKS": _each(_azure),
    "AKS to an event hub": _compact({"records": [_azure(each) for each in LINES]}),
    "AKS with the event as an object": _each(lambda text: _azure(text) | {"properties": {"log": json.loads(text)}}),
    "AKS, properties as text": _each(lambda text: _azure(text) | {"properties": _compact({"log": text})}),
    "Log Analytics": json.dumps([{"TimeGenerated": _TIME, "Category": "kube-audit", "log_s": each} for each in LINES]),
    "Loki": _compact(_LOKI),
    "Loki, pretty": json.dumps(_LOKI, indent=2),
    "Loki, followed": _each(lambda text: {"streams": [{"stream": {"a": "b"}, "values": [["1", text]]}]}),
    "logcli": _each(lambda text: f'{_TIME} {{app="kube-apiserver", job="audit"}} {text}'),
    "logcli, labels in front": _each(lambda text: f'{{app="kube-apiserver"}} {text}'),
    "logcli as JSON lines": _each(lambda text: {"labels": {"a": "b"}, "line": text, "timestamp": _TIME}),
    "fluentd": _each(lambda text: {"message": text, "kubernetes": {"pod_name": "a"}}),
    "fluentd, merged": _each(lambda text: json.loads(text) | {"@timestamp": _TIME, "kubernetes": {"host": "a"}}),
    "journald": _each(lambda text: {"__REALTIME_TIMESTAMP": "1", "MESSAGE": text}),
    "Elasticsearch": json.dumps(
        {"took": 1, "hits": {"total": {"value": 3}, "hits": [{"_source": each} for each in EVENTS]}}
    ),
    "Elasticsearch dump": _each(lambda text: {"_index": "a", "_source": {"message": text}}),
    "Splunk": _each(lambda text: {"preview": False, "result": {"_raw": text, "host": "a"}}),
    "Cloud Logging of a shipped file": _each(lambda text: {"insertId": "a", "jsonPayload": json.loads(text)}),
    "two forms in one file": f"{LINES[0]}\n{_compact({'message': LINES[1]})}\n{json.dumps(EVENTS[2], indent=1)}\n",
}  # fmt: skip

PACKINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip twice": lambda text: gzip.compress(gzip.compress(text.encode())),
    "gzip in members, padded": lambda text: (
        gzip.compress(text[:99].encode()) + gzip.compress(text[99:].encode()) + b"\0" * 9
    ),
    "zstd": lambda text: zstd.compress(text.encode()),
    "zstd in frames": lambda text: zstd.compress(text[:99].encode()) + zstd.compress(text[99:].encode()),
    "zstd behind a skippable frame": lambda text: b"\x5a\x2a\x4d\x18\x03\0\0\0abc" + zstd.compress(text.encode()),
    "UTF-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16 in gzip": lambda text: gzip.compress(text.encode("utf-16")),
}  # fmt: skip


class _Nobody:
    def at(self, position: int, total: int | None) -> None:
        """Hear nothing."""


def _read(*paths: Path) -> tuple[list[str], Reading]:
    reading = Reading()
    return [each.audit_id for each in requests([str(path) for path in paths], reading, _Nobody())], reading


def _file(folder: Path, content: bytes | str) -> Path:
    path = folder / "log"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_each_form_holds_the_same_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """All of it and nothing else, wherever the pieces end in which it is read."""
    path = _file(tmp_path, FORMS[form])
    for piece in (256 * 1024, 1, 7, 512):
        monkeypatch.setattr(unpacking, "_PIECE", piece)
        found, reading = _read(path)
        assert (found, reading.bad, reading.cut, reading.failure) == (IDS, 0, [], ""), piece
        assert reading.bytes == path.stat().st_size


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", ["plain", "event list, pretty", "CloudWatch filter-log-events, compact"])
def test_however_it_is_packed_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, packing: str
) -> None:
    """Told by the first bytes, never by the name."""
    path = _file(tmp_path, PACKINGS[packing](FORMS[form]))
    for piece in (256 * 1024, 1, 300):
        monkeypatch.setattr(unpacking, "_PIECE", piece)
        found, reading = _read(path)
        assert (found, reading.bad, reading.cut, reading.failure) == (IDS, 0, [], ""), piece


@pytest.mark.parametrize("packing", ["as it is", "gzip", "zstd"])
@pytest.mark.parametrize("form", FORMS)
def test_what_breaks_off_is_said_and_what_came_before_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, packing: str
) -> None:
    """Every form, cut in the middle, gives a beginning of its requests and is never taken for whole."""
    monkeypatch.setattr(unpacking, "_PIECE", 64)
    text = FORMS[form]
    whole = text.encode() if packing == "as it is" else PACKINGS[packing](text)
    for share in (0.3, 0.5, 0.75):
        found, reading = _read(_file(tmp_path, whole[: int(len(whole) * share)]))
        assert found == IDS[: len(found)]
        told = reading.cut or reading.bad or reading.failure
        assert told or (packing == "as it is" and len(found) == text[: int(len(text) * share)].count("\n"))


_GOOGLE = {
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "authenticationInfo": {"principalEmail": "system:serviceaccount:seconder-agents:kiro"},
        "methodName": "io.k8s.apps.v1.deployments.delete",
        "resourceName": "apps/v1/namespaces/payments/deployments/checkout",
        "request": _INSIDE,
    },
    "resource": {"type": "k8s_cluster"},
}
OTHERS: dict[str, tuple[bytes | str, str]] = {
    "GKE lines": (_compact(_GOOGLE) + "\n", "Google Cloud Logging's own form .* keeps neither callers' groups"),
    "GKE array": (json.dumps([_GOOGLE, _GOOGLE], indent=2), "Google Cloud Logging's own form"),
    "CloudTrail": (_compact({"Records": [{"eventVersion": "1.08", "eventSource": "eks"}]}), "AWS CloudTrail"),
    "AKS' other table": (_compact({"Verb": "delete", "RequestUri": "/", "ObjectRef": {}}), "AKSAudit"),
    "AKS' other logs": (_compact(_azure("I1120 03:01:00.000000 1 a.go:1] hello")), "kube-audit"),
    "Events": (
        json.dumps({"kind": "List", "apiVersion": "v1", "items": [{"kind": "Event", "apiVersion": "v1"}]}),
        "Kubernetes' Events",
    ),
    "objects": ('{"kind":"Pod","apiVersion":"v1"}', "Kubernetes objects"),
    "objects that hold an event": (_compact({"kind": "Pod", "apiVersion": "v1", "spec": _INSIDE}), "Kubernetes obj"),
    "events without stages": (
        _compact({key: value for key, value in EVENTS[0].items() if key != "stage"}), "lack fields",
    ),
    "klog": ("I1120 03:01:00.000000       1 server.go:1] Started\n", "log of a Kubernetes component"),
    "CSV": ('@timestamp,@message,@log\n2026,"{""kind"":""Event""}",x\n', "CSV"),
    "YAML": ("apiVersion: audit.k8s.io/v1\nkind: Event\n", "YAML"),
    "HTML": ("<html>", "HTML"),
    "text": ("hello\n", "text without an audit event"),
    "JSON": ("{}\n", "JSON that holds no audit event"),
    "zip": (b"PK\x03\x04\0\0", "a zip archive: unpack it first"),
    "tar": (gzip.compress(b"a" * 257 + b"ustar\0" + b"0" * 249), "a tar archive"),
    "xz": (b"\xfd7zXZ\0\0", "packed with xz"),
    "gzip four times": (gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"{}")))), "packed more than 3 times"),
    "a wide window": (
        zstd.compress(
            FORMS["plain"].encode() * 20_000,
            options={zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0},
        ),
        "window of more than 8 MiB: unpack it first",
    ),
    "damaged": (gzip.compress(LINES[0].encode())[:60], "ends in the middle"),
    "nothing": (b"", "it is empty"),
    "blank lines": (b"\n \n", "it is empty"),
    "other stages": (_compact(EVENTS[0] | {"stage": "RequestReceived"}), "no event of a request's end"),
}  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
def test_where_nothing_was_read_it_is_said_what_the_file_looks_like(tmp_path: Path, other: str) -> None:
    """And no request is made up."""
    content, words = OTHERS[other]
    found, reading = _read(_file(tmp_path, content))
    assert found == []
    with pytest.raises(Problem, match=words) as raised:
        reading.require_requests()
    assert raised.value.code == 2


def test_of_several_files_an_unreadable_one_is_named_and_an_empty_one_is_not(tmp_path: Path) -> None:
    """A log that was just rotated is empty."""
    good, empty, bad = tmp_path / "good", tmp_path / "empty", tmp_path / "bad"
    good.write_text(FORMS["plain"])
    empty.write_text("")
    bad.write_text(_compact(_GOOGLE))
    found, reading = _read(empty, good)
    assert (found, reading.failure) == (IDS, "")
    found, reading = _read(empty, good, bad)
    assert found == IDS
    assert reading.failure.startswith(f"nothing was read from {bad}: it looks like Google")


@pytest.mark.parametrize(
    "cut",
    ['{"kind":"Event","a', '{"kind":"Event","user":{"username":"a"}', '{"kind":"Event",', '{"kind":"Event","a":[1,2'],
)
@pytest.mark.parametrize("form", ["plain", "time in front", "AKS", "event list, pretty", "array, pretty"])
def test_a_line_that_breaks_off_takes_nothing_with_it(tmp_path: Path, form: str, cut: str) -> None:
    """What follows is read as if it were not there."""
    found, reading = _read(_file(tmp_path, f"{LINES[0]}\n{cut}\n{FORMS[form]}"))
    assert found[0] == "one"
    assert found[-3:] == IDS
    assert reading.bad >= 1


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress, lambda data: gzip.compress(gzip.compress(data))])
def test_what_unpacks_to_far_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    """Within bounds of time and memory."""
    monkeypatch.setattr(unpacking, "_ALWAYS", 1_000_000)
    monkeypatch.setattr(unpacking, "_MOST_TIMES", 200)
    with pytest.raises(Problem, match="unpacks to more than 200 times its size"):
        _read(_file(tmp_path, pack(b"0" * 20_000_000)))


def test_a_list_of_any_length_is_read_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one line or on many, it takes the memory of one of its elements."""
    monkeypatch.setattr(log_files, "_LONGEST", 4_000)
    monkeypatch.setattr(unpacking, "_PIECE", 1_000)
    many = [event(auditID=str(number)) for number in range(200)]
    documents: Sequence[Any] = (
        many,
        {"items": many},
        {"data": {"result": [{"values": [["1", _compact(each)] for each in many]}]}},
    )
    for document in documents:
        for text in (_compact(document), json.dumps(document, indent=3)):
            found, reading = _read(_file(tmp_path, text))
            assert found == [str(number) for number in range(200)]
            assert reading.bad == 0


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_a_line_that_a_runtime_cut_anywhere_is_whole_again(tmp_path: Path, size: int) -> None:
    """Behind a comma and before a space, too."""
    text = json.dumps(EVENTS[0])
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    last = len(pieces) - 1
    path = tmp_path / "audit.log"
    path.write_text(
        "".join(f"{_TIME} stdout {'F' if at == last else 'P'} {piece}\n" for at, piece in enumerate(pieces))
    )
    found, reading = _read(path)
    assert found == [EVENTS[0]["auditID"]]
    assert reading.bad == 0
