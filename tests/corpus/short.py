"""What the files of the corpus leave out, since it is as usual, and how it comes back.

Each pair of functions is exact: what cannot be brought back as it was is written in full.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_OPTIONS: Final = {"DELETE": "DeleteOptions", "UPDATE": "UpdateOptions", "CREATE": "CreateOptions"}
_FAILURE: Final = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 403}
_FORBIDDEN: Final = _FAILURE | {"reason": "Forbidden"}
_CREATED: Final = "2026-11-20T08:00:00Z"
_IN_FORCE: Final = {"inForce": True}
_AS_IS: Final = "as is"
_RUN: Final = 2000


@dataclass
class Tables:
    """What a file holds once, each under a name of its own. ``usual`` documents are in all files' own one."""

    usual: Mapping[str, Any] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    callers: dict[str, Any] = field(default_factory=dict)
    change_requests: dict[str, Any] = field(default_factory=dict)

    def document(self, name: str) -> Any:
        """Give a document by its name."""
        return self.documents[name] if name in self.documents else self.usual[name]

    def keep(self, document: Mapping[str, Any]) -> str:
        """Keep a document under a name of its own, and give that."""
        name = named(document)
        return name if self.usual.get(name) == document else keep(self.documents, name, document, self.usual)


def named(document: Mapping[str, Any]) -> str:
    """Give what a document is called: its kind, namespace and name."""
    metadata = document["metadata"]
    place = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"{document['kind']} {place}{metadata['name']}"


def document(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what the builders give every object, and the status of a policy that is in force."""
    short = dict(whole) | {"metadata": _without(whole["metadata"], _given(whole))}
    status = whole["status"] if isinstance(whole.get("status"), dict) else {}
    resources = {"resources": None} | {key: status[key] for key in ("resources", "endedBy") if key in status}
    for form in (short | {"status": {**resources, **_IN_FORCE}}, short, dict(whole)):
        if form.keys() == whole.keys() and _same(whole_document(form), whole):
            return form
    return {_AS_IS: whole}


def whole_document(short: Mapping[str, Any]) -> dict[str, Any]:
    """Undo ``document``."""
    if _AS_IS in short:
        return dict(short[_AS_IS])
    whole, metadata = dict(short), short["metadata"]
    if "resourceVersion" not in metadata:
        named = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
        whole["metadata"] = named | {"uid": ""} | _given(short) | {k: v for k, v in metadata.items() if k not in named}
    status = short.get("status")
    if isinstance(status, dict) and _IN_FORCE.keys() <= status.keys():
        spec = short.get("spec", {})
        audit = spec.get("mode") == "Audit"
        generation = whole["metadata"].get("generation", 0)
        kept = {key: status[key] for key in ("resources", "endedBy") if key in status}
        whole["status"] = {
            "conditions": [
                _condition("Ready", "Auditing" if audit else "Protecting", "in force", generation),
                _condition("Compiled", "Compiled", "in the webhook configuration as written", generation),
            ],
            "observedGeneration": generation,
            **kept,
            "lastValid": spec,
        }
    return whole


def _given(document: Mapping[str, Any]) -> dict[str, Any]:
    metadata = document["metadata"]
    place = f"{document['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"
    return {"uid": str(uuid.uuid5(uuid.NAMESPACE_URL, place)), "resourceVersion": "500", "creationTimestamp": _CREATED}


def _without(metadata: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if value != given.get(key)}


def _condition(kind: str, reason: str, message: str, generation: int) -> dict[str, Any]:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": _CREATED,
        "observedGeneration": generation,
    }


def keep(table: dict[str, Any], name: str, value: Any, taken: Mapping[str, Any] | None = None) -> str:
    """Keep a value in a table under this name, or under one with a number where another value has it."""
    key, number = name, 1
    while key in (taken or {}) or not _same(table.setdefault(key, value), value):
        number += 1
        key = f"{name} ({number})"
    return key


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one) == json.dumps(other)


def uid_of(name: str) -> str:
    """Give the uid of the review of the case that is called so."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"review of {name}"))


def request(body: Any, name: str, tables: Tables) -> dict[str, Any] | None:
    """Shorten an AdmissionReview to what is not as usual in its request; None where that would lose something."""
    try:
        whole = body["request"]
        subresource = f"/{whole['subResource']}" if "subResource" in whole else ""
        group, version, plural = (whole["resource"][key] for key in ("group", "version", "resource"))
        short = {
            "by": keep(tables.callers, whole["userInfo"]["username"], whole["userInfo"]),
            "operation": whole["operation"],
            "resource": f"{_joined(group, version)} {plural}{subresource}",
            "kind": f"{_joined(whole['kind']['group'], whole['kind']['version'])} {whole['kind']['kind']}",
        }
        short |= {key: whole[key] for key in ("name", "namespace") if key in whole}
        for key in ("object", "oldObject"):
            if whole[key] is not None:
                short[key] = tables.keep(whole[key]) if _is_object(whole[key]) else whole[key]
        options = dict(whole["options"] or {})
        short |= {"dryRun": True} if whole["dryRun"] else {}
        rest = {key: value for key, value in options.items() if key not in {"kind", "apiVersion"}}
        short |= {"options": rest} if rest else {}
        return short if _same(review(short, name, tables), body) else None
    except (KeyError, TypeError, AttributeError):
        return None


def review(short: Mapping[str, Any], name: str, tables: Tables) -> dict[str, Any]:
    """Undo ``request``."""
    place, _, path = short["resource"].partition(" ")
    plural, slash, subresource = path.partition("/")
    group, version = _split(place)
    of_kind, _, kind_name = short["kind"].partition(" ")
    kind = dict(zip(("group", "version"), _split(of_kind), strict=True)) | {"kind": kind_name}
    resource = {"group": group, "version": version, "resource": plural}
    whole: dict[str, Any] = {"uid": uid_of(name), "kind": kind, "resource": resource}
    whole |= {"subResource": subresource} if slash else {}
    whole |= {"requestKind": kind, "requestResource": resource}
    whole |= {"requestSubResource": subresource} if slash else {}
    whole |= {key: short[key] for key in ("name", "namespace") if key in short}
    whole |= {"operation": short["operation"], "userInfo": tables.callers[short["by"]]}
    for key in ("object", "oldObject"):
        held = short.get(key)
        whole[key] = tables.document(held) if isinstance(held, str) else held
    whole["dryRun"] = short.get("dryRun", False)
    usual = {"kind": _OPTIONS[short["operation"]], "apiVersion": "meta.k8s.io/v1"} if _has_options(short) else {}
    whole["options"] = (usual | short.get("options", {})) or None
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": whole}


def _has_options(short: Mapping[str, Any]) -> bool:
    return short["operation"] in _OPTIONS


def _is_object(value: Any) -> bool:
    """Say whether a value has a name to be kept by. A review may hold anything in an object's place."""
    metadata = value.get("metadata")
    return isinstance(metadata, dict) and isinstance(value.get("kind"), str) and isinstance(metadata.get("name"), str)


def _joined(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def _split(place: str) -> tuple[str, str]:
    group, _, version = place.rpartition("/")
    return group, version


def answer(expected: Mapping[str, Any], name: str, body: Any, tables: Tables) -> dict[str, Any]:
    """Shorten what is expected: the words of a refusal by lines, and change requests by their names."""
    short = dict(expected) | {"notes": [_note(note, tables) for note in expected["notes"]]}
    if expected["code"] == 200:
        short.pop("code")
        response = dict(expected["response"])
        if response.get("uid") == uid_of(name):
            response.pop("uid")
        if "status" in response and "auditAnnotations" in response:
            response["status"] = _refusal(response["status"], response["auditAnnotations"]["reason"], _details(body))
        short["response"] = response
    if not short["notes"]:
        short.pop("notes")
    return short if _same_parts(whole_answer(short, name, body, tables), expected) else dict(expected)


def whole_answer(short: Mapping[str, Any], name: str, body: Any, tables: Tables) -> dict[str, Any]:
    """Undo ``answer``."""
    whole: dict[str, Any] = {"code": 200} | dict(short)
    whole["notes"] = [_whole_note(note, tables) for note in short.get("notes", ())]
    response = dict(short.get("response", {}))
    if response and "auditAnnotations" in response:
        response = dict[str, Any](uid=uid_of(name)) | response
        if "lines" in response.get("status", {}):
            response["status"] = _whole_refusal(
                response["status"], response["auditAnnotations"]["reason"], _details(body)
            )
    if response:
        whole["response"] = response
    return whole


def _details(body: Any) -> dict[str, Any]:
    """Give the object of a review as a Status names it."""
    try:
        request = body["request"]
        metadata = (request["oldObject"] or request["object"])["metadata"]
        resource = request["resource"]
        named = request.get("name") or metadata.get("name", "")
        uid = metadata.get("uid", "")
        return {"group": resource["group"], "kind": resource["resource"], "name": named, "uid": uid}
    except (KeyError, TypeError, AttributeError):
        return {}


def _refusal(status: Mapping[str, Any], reason: str, usual: Mapping[str, Any]) -> Mapping[str, Any]:
    message = status["message"]
    details = {key: value for key, value in status["details"].items() if key != "causes"}
    short = {"lines": message.split("\n")} | ({"details": details} if details != usual else {})
    return short if _same_parts(_whole_refusal(short, reason, usual), status) else status


def _whole_refusal(short: Mapping[str, Any], reason: str, usual: Mapping[str, Any]) -> dict[str, Any]:
    causes = [{"reason": reason, "message": short["lines"][0]}]
    details = {"causes": causes, **short.get("details", usual)}
    return _FORBIDDEN | {"message": "\n".join(short["lines"]), "details": details}


def _note(note: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    told = dict(note)
    for key in ("refused", "used"):
        if key in told:
            told[key] = keep(tables.change_requests, told[key]["name"], told[key]["spec"])
    return told


def _whole_note(note: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    told = dict(note)
    for key in ("refused", "used"):
        if key in told:
            name = told[key]
            told[key] = {"name": name.partition(" ")[0], "spec": tables.change_requests[name]}
    return told


def _same_parts(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def runs(value: Any) -> Any:
    """Write a long run of one character as its ``length``."""
    if isinstance(value, dict):
        return {key: runs(each) for key, each in value.items()}
    if isinstance(value, list):
        return [runs(each) for each in value]
    run = isinstance(value, str) and len(value) > _RUN and value == value[0] * len(value)
    return {"run of": value[0], "length": len(value)} if run else value


def whole_runs(value: Any) -> Any:
    """Undo ``runs``."""
    if isinstance(value, dict):
        if value.keys() == {"run of", "length"}:
            return value["run of"] * value["length"]
        return {key: whole_runs(each) for key, each in value.items()}
    return [whole_runs(each) for each in value] if isinstance(value, list) else value
