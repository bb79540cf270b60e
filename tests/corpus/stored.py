"""How the corpus is kept: files of cases, their inputs and what is expected of them as documents.

A file holds the documents of its cases once, by kind and name, and each case names those that its cluster holds. What
is as usual is left out: see ``short``.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.corpus import short

FOLDER: Final = Path(__file__).parent
CASES: Final = FOLDER / "cases"
CONFIGURATIONS: Final = FOLDER / "configurations"
_DISCOVERY: Final = FOLDER / "discovery.json"
_USUAL: Final = FOLDER / "usual.json"
_EXPRESSIONS: Final = FOLDER / "expressions.json"
_WIDTH: Final = 120
_TABLES: Final = ("documents", "callers", "changeRequests")
_PATH: Final = "/validate"
_NOW: Final = 1_795_320_100
_ALL: Final = "the usual"
_THE_USUAL: Final = (
    "Namespace kube-system",
    "Namespace payments",
    "Namespace seconder-agents",
    "Namespace seconder-system",
    "ServiceAccount seconder-agents/kiro",
    "CustomResourceDefinition approvers.seconder.dev",
    "CustomResourceDefinition approverauthorities.seconder.dev",
    "CustomResourceDefinition changerequests.seconder.dev",
    "CustomResourceDefinition protectionpolicies.seconder.dev",
)
"""What every cluster of a case holds, but for its approvers."""
_SHARED: Final = "@"
"""No expression begins with it."""
_DEPTHS: Final = {
    "documents": 3,
    "callers": 2,
    "changeRequests": 2,
    "cluster": 3,
    "policies": 3,
    "request": 4,
    "review": 5,
    "response": 6,
    "notes": 5,
    "auditAnnotations": 0,
    "details": 0,
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


def usual() -> dict[str, Any]:
    """Give the documents that most clusters hold, by their names; the first ones, of ``THE_USUAL``, in all."""
    return {name: short.whole_document(document) for name, document in json.loads(_USUAL.read_text()).items()}


def write_usual(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write what ``usual`` gives, and give it."""
    written = {short.named(document): document for document in documents}
    _USUAL.write_text(_text({name: short.document(document) for name, document in written.items()}, 2) + "\n")
    return written


def cases() -> list[tuple[str, Case]]:
    """Give every case, with the name of its file."""
    shared = usual()
    return [(path.stem, case) for path in sorted(CASES.glob("*.json")) for case in _read(path, shared)]


def _read(path: Path, shared: dict[str, Any]) -> Iterable[Case]:
    found = json.loads(path.read_text())
    documents, callers, change_requests = (short.whole_runs(found[key]) for key in _TABLES)
    documents = {name: short.whole_document(document) for name, document in documents.items()}
    tables = short.Tables(shared, documents, callers, change_requests)
    for each in found["cases"]:
        body = _body(each, tables)
        yield Case(
            name=each["name"],
            cluster=[tables.document(key) for key in _all_named(each["cluster"])],
            path=each.get("path", _PATH),
            body=body,
            now=each.get("now", _NOW),
            fresh=each.get("fresh", True),
            earlier=[tables.document(key) for key in each.get("earlier", ())],
            faults=each.get("faults", ()),
            options=each.get("options", {}),
            expected=short.whole_answer(each["expected"], each["name"], body, tables),
        )


def _body(each: dict[str, Any], tables: short.Tables) -> Any:
    if "request" in each:
        return short.review(short.whole_runs(each["request"]), each["name"], tables)
    if "bytes" in each:
        return base64.b64decode(each["bytes"])
    return short.whole_runs(each.get("text", each.get("review")))


def write(area: str, written: Iterable[Case], shared: dict[str, Any]) -> None:
    """Write the file of one area of rules."""
    tables = short.Tables(shared)
    listed = [_written(case, tables) for case in written]
    documents = {name: short.document(document) for name, document in tables.documents.items()}
    held = dict(zip(_TABLES, (documents, tables.callers, tables.change_requests), strict=True))
    CASES.joinpath(f"{area}.json").write_text(_text(short.runs(held | {"cases": listed})) + "\n")


def _named_together(cluster: list[Any]) -> list[Any]:
    """Write the usual documents as one where all of them come first."""
    usual_first = tuple(cluster[: len(_THE_USUAL)]) == _THE_USUAL
    return [_ALL, *cluster[len(_THE_USUAL) :]] if usual_first else cluster


def _all_named(cluster: list[Any]) -> list[Any]:
    """Undo ``_named_together``."""
    return [*_THE_USUAL, *cluster[1:]] if cluster[:1] == [_ALL] else cluster


def _written(case: Case, tables: short.Tables) -> dict[str, Any]:
    cluster = [tables.keep(document) for document in case.cluster]
    given: dict[str, Any] = {"name": case.name, "cluster": _named_together(cluster)}
    given |= ({"path": case.path} if case.path != _PATH else {}) | ({"now": case.now} if case.now != _NOW else {})
    earlier = [tables.keep(document) for document in case.earlier]
    optional = {"fresh": case.fresh, "earlier": earlier, "faults": list(case.faults), "options": case.options}
    given |= {key: value for key, value in optional.items() if value not in (True, [], {})}
    if isinstance(case.body, bytes):
        given["bytes"] = base64.b64encode(case.body).decode()
    elif isinstance(case.body, str):
        given["text"] = case.body
    else:
        brief = short.request(case.body, case.name, tables)
        given |= {"review": case.body} if brief is None else {"request": brief}
    return given | {"expected": short.answer(case.expected, case.name, case.body, tables)}


def configurations() -> list[tuple[str, dict[str, Any]]]:
    """Give every set of policies with what it compiles to, by the name of its file."""
    expressions = json.loads(_EXPRESSIONS.read_text())
    found = [(path.stem, json.loads(path.read_text())) for path in sorted(CONFIGURATIONS.glob("*.json"))]
    tables = short.Tables(usual())
    for _, kept in found:
        kept["cluster"] = [
            tables.document(each) if isinstance(each, str) else short.whole_document(each)
            for each in _all_named(kept["cluster"])
        ]
        kept["policies"] = [short.whole_document(each) for each in kept["policies"]]
        for webhook in kept["expected"]["configuration"]["webhooks"]:
            webhook["matchConditions"] = [
                {"name": name, "expression": expressions[value[1:]] if value.startswith(_SHARED) else value}
                for name, value in webhook["matchConditions"].items()
            ]
    return found


def write_configurations(kept: Mapping[str, dict[str, Any]], shared: dict[str, Any]) -> None:
    """Write what ``configurations`` gives; expressions that several entries have, once."""
    conditions = [
        condition
        for _, document in sorted(kept.items())
        for webhook in document["expected"]["configuration"]["webhooks"]
        for condition in webhook["matchConditions"]
    ]
    times = Counter(condition["expression"] for condition in conditions)
    expressions: dict[str, Any] = {}
    names = {
        condition["expression"]: _SHARED + short.keep(expressions, condition["name"], condition["expression"])
        for condition in conditions
        if times[condition["expression"]] > 1
    }
    _EXPRESSIONS.write_text(_text(expressions) + "\n")
    for name, document in kept.items():
        written = json.loads(json.dumps(document))
        cluster = [
            short.named(each) if shared.get(short.named(each)) == each else short.document(each)
            for each in written["cluster"]
        ]
        written["cluster"] = _named_together(cluster)
        written["policies"] = [short.document(each) for each in written["policies"]]
        for webhook in written["expected"]["configuration"]["webhooks"]:
            webhook["matchConditions"] = {
                each["name"]: names.get(each["expression"], each["expression"]) for each in webhook["matchConditions"]
            }
        CONFIGURATIONS.joinpath(f"{name}.json").write_text(_text(written) + "\n")


def _names(value: dict[str, Any] | list[Any]) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _text(value: Any, most: int = 6, depth: int = 0) -> str:
    """Give JSON in lines: what fits into one, lists of names, and whatever lies deeper than ``most``, stand in one."""
    flat = json.dumps(value)
    fits = len(flat) + depth <= _WIDTH or depth >= most
    if fits or not isinstance(value, dict | list) or _names(value):
        return flat
    pad = "\n" + " " * (depth + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_under(key, each, most, depth + 1)}" for key, each in value.items()]
        return "{" + pad + f",{pad}".join(parts) + pad[:-1] + "}"
    return "[" + pad + f",{pad}".join(_text(each, most, depth + 1) for each in value) + pad[:-1] + "]"


def _under(key: str, value: Any, most: int, depth: int) -> str:
    return _lines(value, depth) if key == "lines" else _text(value, _DEPTHS.get(key, most), depth)


def _lines(value: list[str], depth: int) -> str:
    """Give what a person reads, as the person sees it."""
    pad = "\n" + " " * (depth + 1)
    return "[" + pad + f",{pad}".join(map(json.dumps, value)) + pad[:-1] + "]"
