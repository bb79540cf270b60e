"""How the corpus is kept: files of cases, their inputs and what is expected of them as documents.

A file holds the documents of its cases once, by kind and name, and each case names those that its cluster holds.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
CASES: Final = FOLDER / "cases"
CONFIGURATIONS: Final = FOLDER / "configurations"
_DISCOVERY: Final = FOLDER / "discovery.json"
_WIDTH: Final = 120
_RUN: Final = 2000
_DEPTHS: Final = {
    "documents": 3,
    "cluster": 3,
    "policies": 3,
    "review": 5,
    "response": 6,
    "notes": 5,
    "auditAnnotations": 0,
}
"""How deep what stands under these names is broken into lines, counted from the file's beginning."""


@dataclass
class Case:
    """One review, all that its decision rests on, and what is answered.

    ``cluster`` are the documents that the API server holds, ``earlier`` those that the webhook's watches saw in their
    place. ``body`` is the AdmissionReview, or a text or bytes where what is sent is none. ``now`` is in seconds since
    1970. ``fresh`` is false where no watch has given a sign of life for a while. ``faults`` are those of ``Cluster``,
    ``options`` the webhook's own (``namespace``, ``controllers``, ``clusterId``).
    """

    name: str
    cluster: Sequence[dict[str, Any]]
    path: str
    body: Any
    now: int
    fresh: bool = True
    earlier: Sequence[dict[str, Any]] = ()
    faults: Sequence[dict[str, Any]] = ()
    options: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)

    @property
    def sent(self) -> bytes:
        """The body as the API server writes it: compact, and with ``<``, ``>`` and ``&`` as escapes (Go's encoding)."""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        text = json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return text.encode()


def discovery() -> dict[str, Any]:
    """Give what the API server serves beside custom resources: the APIGroupDiscoveryLists by path."""
    found: dict[str, Any] = json.loads(_DISCOVERY.read_text())
    return found


def write_discovery(documents: dict[str, Any]) -> None:
    """Write what ``discovery`` gives."""
    _DISCOVERY.write_text(_text(documents) + "\n")


def cases() -> list[tuple[str, Case]]:
    """Give every case, with the name of its file."""
    return [(path.stem, case) for path in sorted(CASES.glob("*.json")) for case in _read(path)]


def _read(path: Path) -> Iterable[Case]:
    found = json.loads(path.read_text())
    documents = {key: _long(document) for key, document in found["documents"].items()}
    for each in found["cases"]:
        body = base64.b64decode(each["bytes"]) if "bytes" in each else each.get("text", each.get("review"))
        yield Case(
            name=each["name"],
            cluster=[documents[key] for key in each["cluster"]],
            path=each["path"],
            body=_long(body),
            now=each["now"],
            fresh=each.get("fresh", True),
            earlier=[documents[key] for key in each.get("earlier", ())],
            faults=each.get("faults", ()),
            options=each.get("options", {}),
            expected=each["expected"],
        )


def write(area: str, written: Iterable[Case]) -> None:
    """Write the file of one area of rules."""
    documents: dict[str, Any] = {}
    listed = [_written(case, documents) for case in written]
    CASES.joinpath(f"{area}.json").write_text(_text(_short({"documents": documents, "cases": listed})) + "\n")


def _written(case: Case, documents: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {
        "name": case.name,
        "cluster": [_kept(document, documents) for document in case.cluster],
        "path": case.path,
        "now": case.now,
    }
    earlier = [_kept(document, documents) for document in case.earlier]
    optional = {"fresh": case.fresh, "earlier": earlier, "faults": list(case.faults), "options": case.options}
    given |= {key: value for key, value in optional.items() if value not in (True, [], {})}
    if isinstance(case.body, bytes):
        given["bytes"] = base64.b64encode(case.body).decode()
    else:
        given["text" if isinstance(case.body, str) else "review"] = case.body
    return given | {"expected": case.expected}


def _kept(document: dict[str, Any], documents: dict[str, Any]) -> str:
    """Keep a document under a name of its own, and give that."""
    metadata = document["metadata"]
    place = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    name = key = f"{document['kind']} {place}{metadata['name']}"
    number = 1
    while documents.setdefault(key, document) != document:
        number += 1
        key = f"{name} ({number})"
    return key


def configurations() -> list[tuple[str, dict[str, Any]]]:
    """Give every set of policies with what it compiles to, by the name of its file."""
    return [(path.stem, json.loads(path.read_text())) for path in sorted(CONFIGURATIONS.glob("*.json"))]


def write_configuration(name: str, document: dict[str, Any]) -> None:
    """Write one of what ``configurations`` gives."""
    CONFIGURATIONS.joinpath(f"{name}.json").write_text(_text(document) + "\n")


def _short(value: Any) -> Any:
    """Write a long run of one character as its ``length``."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    run = isinstance(value, str) and len(value) > _RUN and value == value[0] * len(value)
    return {"run of": value[0], "length": len(value)} if run else value


def _long(value: Any) -> Any:
    """Undo ``_short``."""
    if isinstance(value, dict):
        if value.keys() == {"run of", "length"}:
            return value["run of"] * value["length"]
        return {key: _long(each) for key, each in value.items()}
    return [_long(each) for each in value] if isinstance(value, list) else value


def _names(value: dict[str, Any] | list[Any]) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _text(value: Any, most: int = 6, depth: int = 0) -> str:
    """Give JSON in lines: what fits into one, lists of names, and whatever lies deeper than ``most``, stand in one."""
    flat = json.dumps(value)
    short = len(flat) + depth <= _WIDTH or depth >= most
    if short or not isinstance(value, dict | list) or _names(value):
        return flat
    pad = "\n" + " " * (depth + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_text(each, _DEPTHS.get(key, most), depth + 1)}" for key, each in value.items()]
        return "{" + pad + f",{pad}".join(parts) + pad[:-1] + "}"
    return "[" + pad + f",{pad}".join(_text(each, most, depth + 1) for each in value) + pad[:-1] + "]"
