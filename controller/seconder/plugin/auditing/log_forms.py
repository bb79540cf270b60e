"""What is wrapped around audit events where logs are kept, and what else people take for an audit log.

From a wrapper only members with known names are read: what a client wrote into an object's body is no event of the API
server's, and whatever looks like one there is left alone.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from seconder.plugin.auditing.json_texts import LISTS

_DEEPEST: Final = 4
_MOST_PREFIXES: Final = 6
_MOST_CHARACTERS: Final = 2_000
"""In front of an event on its line."""

_TEXTS: Final = (
    "log", "message", "line", "@message", "_raw", "MESSAGE", "log_s", "msg", "Message", "event", "body", "_source",
    "properties", "jsonPayload", "textPayload", "result", "data", "hits", "awslogs", "Data", "content", "attributes",
)  # fmt: skip
"""Members that hold an event, as an object or as text: Docker, fluentd, CloudWatch, Loki, Splunk, journald, Azure,
Elasticsearch, Google's for logs that somebody shipped as they were."""

_OBJECT: Final = re.compile(rb'\{\s*"')
_LIST: Final = re.compile(rb'\[\s*["{\[]')
_CRI: Final = re.compile(rb"(?:^|\s)\d{4}-\d\d-\d\dT\S+ (stdout|stderr) ([PF])(?::\S*)? ")
"""Lines of Kubernetes' container runtime interface; P marks a part of a longer one."""

_KLOG: Final = re.compile(rb"(?:^|\s)[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s")
_YAML: Final = re.compile(rb"(---|[A-Za-z]\w*:(\s|$)|- [A-Za-z]\w*:)")
_PACKED: Final = "H4sI"
"""How gzip begins in base64."""

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw])
_string: Final = msgspec.json.Decoder(str)


class Form(StrEnum):
    """What a log is that holds no audit event, in words that follow "it looks like"."""

    GOOGLE = (
        "Google Cloud Logging's own form (protoPayload, as GKE has it), which keeps neither callers' groups nor how"
        " requests ended: nothing can be judged by it"
    )
    CLOUD_TRAIL = "AWS CloudTrail, which records AWS' own API: the cluster's audit log is in CloudWatch"
    AKS_TABLE = "Azure's table AKSAudit, whose columns have other names: export the category kube-audit"
    AZURE = "another of Azure's logs: the category that is needed is kube-audit or kube-audit-admin"
    EVENTS = "Kubernetes' Events, which say nothing about requests"
    OBJECTS = "Kubernetes objects, such as kubectl prints"
    LACKING = "audit events that lack fields, such as stage or verb, or are written otherwise"
    COMPONENT = "the log of a Kubernetes component, not its audit log (--audit-log-path)"
    DECISIONS = "the decision log of Seconder's webhook: name it with report --export --decision-log"
    CSV = "a table with commas (CSV): export JSON"
    YAML = "YAML: audit logs are JSON"
    XML = "HTML or XML"
    JSON = "JSON that holds no audit event (audit.k8s.io)"
    TEXT = "text without an audit event (audit.k8s.io)"
    LONG = "lines that are longer than any audit event"


class Parts:
    """The beginnings of lines that a container runtime cut to pieces of 16 KiB, by stream.

    ``longest`` is in bytes. ``took`` becomes True when one is held.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held: dict[bytes, bytes] = {}
        self.took = False

    @property
    def held(self) -> bool:
        """Whether some line still lacks its end."""
        return bool(self._held)

    def hold(self, stream: bytes, text: bytes) -> None:
        """Keep a part; what is too long is given up."""
        whole = self._held.pop(stream, b"") + text
        self.took = True
        if len(whole) <= self._longest:
            self._held[stream] = whole

    def with_end(self, stream: bytes, text: bytes) -> bytes:
        """Give the line whose last part this is."""
        return self._held.pop(stream, b"") + text


def texts(text: bytes, parts: Parts) -> Iterator[bytes]:
    """What stands in this text in place of one event: JSON texts, each of which may be one, or need the same again.

    Nothing is given where it holds nothing of the kind.
    """
    if _OBJECT.match(text):
        yield from _in_object(_decoded(_members, text) or {}, parts)
    elif _LIST.match(text):
        for element in _decoded(_elements, text) or ():
            yield from _told(element)
    else:
        yield from _behind_prefix(text, parts)


def is_value(text: bytes) -> bool:
    """Whether the text is a whole object or list of JSON."""
    return _decoded(_members if text[:1] == b"{" else _elements, text) is not None


def form_of(text: bytes, depth: int = 0) -> Form:
    """What the text looks like that holds no audit event."""
    first = text[:1]
    if first == b"[" and (elements := _decoded(_elements, text)):
        return form_of(bytes(elements[0]), depth + 1) if depth < _DEEPEST else Form.JSON
    if first == b"{" and (found := _decoded(_members, text)):
        lists = [bytes(value) for name, value in found.items() if name in LISTS and _LIST.match(bytes(value))]
        return form_of(lists[0], depth + 1) if lists and depth < _DEEPEST else _form_of_object(found)
    if is_value(text):
        return Form.JSON
    if _KLOG.search(text[:200]):
        return Form.COMPONENT
    if first == b"<":
        return Form.XML
    if b"protoPayload" in text:
        return Form.GOOGLE
    if _YAML.match(text):
        return Form.YAML
    return Form.CSV if text.count(b",") >= 2 else Form.TEXT


def _form_of_object(found: Mapping[str, msgspec.Raw]) -> Form:
    kind, version = (_as_text(found.get(key)) for key in ("kind", "apiVersion"))
    if version.startswith("audit.k8s.io/"):
        return Form.LACKING
    inner = _decoded(_members, bytes(found.get("properties", b"")))
    for known, form in (
        ("protoPayload" in found, Form.GOOGLE),
        ("eventSource" in found and "eventVersion" in found, Form.CLOUD_TRAIL),
        ({"RequestUri", "ObjectRef"} <= found.keys(), Form.AKS_TABLE),
        ("category" in found and inner is not None, Form.AZURE),
        ({"review", "decision", "reason"} <= found.keys(), Form.DECISIONS),
        (kind == "Event" and bool(version), Form.EVENTS),
        (bool(kind and version), Form.OBJECTS),
    ):
        if known:
            return form
    return Form.JSON


def _in_object(found: Mapping[str, msgspec.Raw], parts: Parts) -> Iterator[bytes]:
    # Insights' rows are lists of these.
    if "field" in found and "value" in found:
        if _as_text(found["field"]) == "@message":
            yield from _told(found["value"])
        return
    for name, value in found.items():
        if name in LISTS and _begins(value) == b"[":
            yield bytes(value)
    for name in _TEXTS:
        if name not in found or (name in LISTS and _begins(found[name]) == b"["):
            continue
        inner = list(_told(found[name]))
        # Docker's lines are whole only with their end.
        if name == "log" and inner and "stream" in found and _begins(found[name]) == b'"':
            inner = list(_joined(_as_text(found["stream"]).encode(), inner[0], parts))
        yield from inner
        if inner:
            return


def _joined(stream: bytes, text: bytes, parts: Parts) -> Iterator[bytes]:
    if is_value(text):
        yield text.strip()
        return
    whole = parts.with_end(stream, text)
    if is_value(whole):
        yield whole.strip()
    elif text.endswith(b"\n"):
        yield text
    else:
        parts.hold(stream, whole)


def _told(value: msgspec.Raw) -> Iterator[bytes]:
    """The value itself, or what it says where it is a string."""
    first = _begins(value)
    if first in {b"{", b"["}:
        yield bytes(value)
    elif first == b'"':
        said = _as_text(value)
        yield from _unpacked(said) if said.startswith(_PACKED) else (said.encode(errors="replace"),)


def _unpacked(said: str) -> Iterator[bytes]:
    """CloudWatch's subscriptions hand out gzip in base64. Bounded: such a message unpacks to a few MiB."""
    try:
        packed = base64.b64decode(said, validate=True)
        unpacker = zlib.decompressobj(wbits=31)
        found = unpacker.decompress(packed, max(1024 * 1024, 100 * min(len(packed), 64 * 1024)))
    except (binascii.Error, ValueError, zlib.error):
        return
    if unpacker.eof:
        yield found


def _behind_prefix(text: bytes, parts: Parts) -> Iterator[bytes]:
    """The event behind a time, a host's name, a runtime's mark, or labels in braces."""
    marked = _CRI.search(text[:_MOST_CHARACTERS])
    if marked:
        stream, rest = marked[1], text[marked.end() :].rstrip(b"\r\n")
        if marked[2] == b"P":
            parts.hold(stream, rest)
        else:
            yield parts.with_end(stream, rest)
        return
    if text.startswith(_PACKED.encode()):
        yield from _unpacked(text.decode(errors="replace").strip())
        return
    lines = text.splitlines()
    if len(lines) > 1:
        yield from lines
        return
    for number, begin in enumerate(_OBJECT.finditer(text[:_MOST_CHARACTERS])):
        if number == _MOST_PREFIXES:
            return
        rest = text[begin.start() :].strip()
        if is_value(rest):
            yield rest
            return


def _begins(value: msgspec.Raw) -> bytes:
    """The first byte, without a copy of the rest."""
    return memoryview(value)[:1].tobytes()


def _as_text(value: msgspec.Raw | None) -> str:
    return (_decoded(_string, value) or "") if value is not None else ""


def _decoded(decoder: Any, text: bytes | msgspec.Raw) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
