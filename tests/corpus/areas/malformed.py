"""Bodies that are no AdmissionReview, or one that contradicts itself."""

import json
from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    Document,
    autoscaler,
    binding,
    changed,
    cluster_role,
    config_map,
    make,
    pod,
    role,
    rule,
    service_account,
    workload,
)
from tests.corpus.builders.reviews import AGENT, PERSON, create, delete, review, update
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, ENFORCE, Expected, case

MALFORMED = "RequestMalformed"
NOBODY = "HTTP 400"


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _bodies()
    yield from _requests()
    yield from _objects()
    yield from _left_out()


def _bodies() -> Iterator[Expected]:
    bodies: dict[str, str | bytes] = {
        "an empty body": "",
        "a body that is null": "null",
        "a body that is a list": "[]",
        "a body that is no JSON": "Delete it.",
        "a body without a request": "{}",
        "a request without a uid": '{"request":{}}',
        "a uid that is empty": '{"request":{"uid":""}}',
        "a uid that is too long": json.dumps({"request": {"uid": "x" * 129}}),
        "a body that is no UTF-8": b"\xff\xfe",
        "a uid of bytes that are no UTF-8": b'{"request":{"uid":"\xff"}}',
    }
    for what, body in bodies.items():
        yield case(what, NOBODY, body, DEPLOYMENTS)
    yield case("an empty body, to Audit", NOBODY, "", DEPLOYMENTS, path=AUDIT)
    lone = json.dumps(delete(changed(CHECKOUT, annotations={"approval.seconder.dev/alice": "{\ud800"})))
    yield case("an annotation that no text can hold", NOBODY, lone.replace('"uid": ""', '"uid": "u-1"', 1), DEPLOYMENTS)
    unnamed = delete(CHECKOUT)
    unnamed["request"]["uid"] = ""
    yield case("a review whose uid is empty", NOBODY, json.dumps(unnamed), DEPLOYMENTS)
    unnamed["request"]["uid"] = "x" * 129
    yield case("a review whose uid is too long", NOBODY, json.dumps(unnamed), DEPLOYMENTS)
    for path in (ENFORCE, AUDIT):
        yield case(f"a uid and nothing else, to {path}", MALFORMED, '{"request":{"uid":"u-1"}}', DEPLOYMENTS, path=path)
    for field, value in (
        ("apiVersion", "admission.k8s.io/v1beta1"),
        ("kind", "ConversionReview"),
        ("apiVersion", None),
    ):
        yield case(f"a review whose {field} is {value}", MALFORMED, delete(CHECKOUT) | {field: value}, DEPLOYMENTS)
    deep = {"a": None}
    for _ in range(400):
        deep = {"a": deep}  # type: ignore[dict-item]  # JSON of any depth
    yield case(
        "a review with a deep object is a review", "ApprovalMissing", delete(CHECKOUT | {"status": deep}), DEPLOYMENTS
    )


def _with(**given: Any) -> Document:
    found = delete(CHECKOUT)
    return found | {"request": found["request"] | given}


def _requests() -> Iterator[Expected]:
    stored = CHECKOUT
    nameless = {"name": "checkout", "namespace": "payments"}
    wrong: dict[str, dict[str, Any]] = {
        "an operation that is none": {"operation": "PATCH"},
        "no operation": {"operation": None},
        "no caller": {"userInfo": None},
        "a caller without a name": {"userInfo": {"groups": ["people"]}},
        "groups that are no list": {"userInfo": {"username": "x", "groups": "people"}},
        "extra that is no list": {"userInfo": {"username": "x", "extra": {"k": "v"}}},
        "no resource": {"resource": None},
        "a kind that is a text": {"kind": "Deployment"},
        "a name that is a number": {"name": 7},
        "annotations that are numbers": {"oldObject": changed(stored, annotations={"a": 1})},
        "no stored object": {"oldObject": None},
        "a stored object without metadata": {"oldObject": stored | {"metadata": None}},
        "a stored object without a uid": {"oldObject": stored | {"metadata": nameless}},
        "a stored object without a name": {"oldObject": stored | {"metadata": {"namespace": "payments", "uid": "1"}}},
        "another name than is stored": {"name": "ledger"},
        "another namespace than is stored": {"namespace": "staging"},
        "no namespace, and one that is stored": {"namespace": ""},
    }
    for what, fields in wrong.items():
        yield case(f"a DELETE with {what}", MALFORMED, _with(**fields), DEPLOYMENTS, live=False)
    yield case("a malformed DELETE by a person", MALFORMED, _with(name="ledger", userInfo=PERSON), DEPLOYMENTS)
    yield case("a malformed DELETE to Audit", MALFORMED, _with(name="ledger"), DEPLOYMENTS, path=AUDIT)
    values: tuple[Any, ...] = (None, {"metadata": None}, {})
    for side in ("object", "oldObject"):
        for value in values:
            body = update(CHECKOUT, CHECKOUT, **{side: value})
            yield case(f"an UPDATE whose {side} is {value}", MALFORMED, body, DEPLOYMENTS, live=False)
    marked = changed(CHECKOUT, ownerReferences=[{"name": 7}])
    yield case("an UPDATE with an owner's name that is a number", MALFORMED, update(CHECKOUT, marked), DEPLOYMENTS)


def _objects() -> Iterator[Expected]:
    odd: dict[str, Document] = {
        "an autoscaler whose least is a text": create(autoscaler(least="none")),  # type: ignore[arg-type]  # on purpose
        "an autoscaler without a spec": create(changed(autoscaler(), spec=None)),
        "a role whose verbs are a text": create(role("x", {"apiGroups": [""], "resources": ["pods"], "verbs": "get"})),
        "a role whose rules are a text": create(cluster_role("x", rules="all")),
        "a role whose aggregation is a list": create(cluster_role("x", aggregationRule=[])),
        "a binding without a role": create(changed(binding("x", role("y")), roleRef=None)),
        "a binding whose subjects are a text": create(binding("x", role("y"), subjects="erin")),
        "a pod whose account is a number": create(make("Pod", "x", spec={"serviceAccountName": 7})),
        "a pod whose spec is a text": create(make("Pod", "x", spec="none")),
        "a Deployment whose template is a text": create(make("Deployment", "x", spec={"template": "none"})),
        "a CronJob whose job is a list": create(make("CronJob", "x", spec={"jobTemplate": []})),
        "a Secret whose type is a number": create(make("Secret", "x", type=7)),
        "a request for a token whose lifetime is a text": _token({"expirationSeconds": "long"}),
        "a request for a token without a spec": _token(None),
    }
    for what, body in odd.items():
        yield case(what, MALFORMED, body, DEPLOYMENTS)
    before = make("Pod", "x", spec="none")
    yield case("a pod whose spec was a text", "NotCovered", update(before, pod("x")), DEPLOYMENTS, live=False)
    half = workload("Job", "x")
    yield case("a Job without a template", "NotCovered", create(changed(half, spec={})), DEPLOYMENTS)
    yield case("a Job whose spec is null", "NotCovered", create(changed(half, spec=None)), DEPLOYMENTS)
    hpa = update(changed(autoscaler(), spec=None), autoscaler(least=0))
    yield case("an autoscaler that had no spec", "ApprovalMissing", hpa, DEPLOYMENTS, live=False)


def _token(spec: Any) -> Document:
    of = service_account("kiro", "seconder-agents")
    kind = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
    return review("CREATE", of, AGENT, below="token", kind=kind, object={"metadata": of["metadata"], "spec": spec})


def _left_out() -> Iterator[Expected]:
    left: dict[str, dict[str, Any]] = {
        "options that are null": {"options": None},
        "a field of a newer API server": {"newField": {"of": "a newer API server"}},
        "a namespace that the stored object lacks": {
            "oldObject": changed(CHECKOUT) | {"metadata": {"name": "checkout", "uid": "1"}}
        },
    }
    for what, fields in left.items():
        yield case(f"a DELETE with {what}", "ApprovalMissing", _with(**fields), DEPLOYMENTS, live=False)
    generated = config_map()
    del generated["metadata"]["uid"]
    unnamed = create(generated, name="")
    yield case("a CREATE whose name is yet to be generated", "NotCovered", unnamed, DEPLOYMENTS)
    nothing = create(config_map(), object=None)
    yield case("a CREATE without an object", "NotCovered", nothing, DEPLOYMENTS)
    whole = create(role("x", rule("get", "pods")), object=None)
    yield case("a role's CREATE without an object", "NotCovered", whole, DEPLOYMENTS)
    empty = create(make("Secret", "x"), object=None)
    yield case("a Secret's CREATE without an object", "NotCovered", empty, DEPLOYMENTS)
    none = create(pod("x"), object=None)
    yield case("a pod's CREATE without an object", "NotCovered", none, DEPLOYMENTS)
    hpa = create(autoscaler(least=0), object=None)
    yield case("an autoscaler's CREATE without an object", MALFORMED, hpa, DEPLOYMENTS)
    gone = delete(binding("x", role("y")), oldObject=None)
    yield case("a binding's DELETE without an object", MALFORMED, gone, DEPLOYMENTS)
