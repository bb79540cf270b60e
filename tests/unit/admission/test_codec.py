"""What is no AdmissionReview: named as such, with the uid echoed where there is one."""

import json
from pathlib import Path
from typing import Any

import pytest

from seconder.admission import codec
from seconder.admission.request import Malformed

_GOOD = Path(__file__).parents[2] / "edge" / "reviews" / "delete-deployment.json"


def _review(**request: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_GOOD.read_text())
    document["request"] |= request
    return document


def _malformed(body: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        codec.decode(body)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"request":null}',
        b'{"request":{"uid":null}}',
        b'{"request":{"uid":""}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"request":{"uid":"' + b"x" * 1000 + b'"}}',
    ],
    ids=range(11),
)
def test_without_a_uid_there_is_nothing_to_echo(body: bytes) -> None:
    """The caller answers 400."""
    assert _malformed(body).uid == ""


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "PATCH"},
        {"operation": None},
        {"userInfo": None},
        {"userInfo": {"username": None}},
        {"userInfo": {"username": "x", "groups": "people"}},
        {"userInfo": {"username": "x", "extra": {"k": "v"}}},
        {"resource": None},
        {"kind": "Deployment"},
        {"oldObject": None},
        {"oldObject": {"metadata": None}},
        {"oldObject": {"metadata": {"name": "checkout"}}},
        {"oldObject": {"metadata": {"uid": "1"}}},
        {"oldObject": {"metadata": {"name": "other", "uid": "1"}}},
        {"oldObject": {"metadata": {"name": "checkout", "uid": "1", "annotations": {"a": 1}}}},
        {"namespace": "elsewhere"},
        {"name": 7},
    ],
    ids=str,
)
def test_a_review_that_contradicts_itself_is_refused_with_its_uid(change: dict[str, Any]) -> None:
    """Nothing is guessed."""
    document = _review(**change)
    assert _malformed(json.dumps(document).encode()).uid == document["request"]["uid"]


@pytest.mark.parametrize("change", [{"apiVersion": "admission.k8s.io/v1beta1"}, {"kind": "ConversionReview"}])
def test_an_unknown_version_is_refused_with_its_uid(change: dict[str, str]) -> None:
    """Only admission.k8s.io/v1 is understood."""
    document = _review() | change
    assert _malformed(json.dumps(document).encode()).uid == document["request"]["uid"]


@pytest.mark.parametrize(
    "change",
    [
        {"userInfo": {"username": "x"}},
        {"userInfo": {"username": "x", "groups": None, "extra": None}},
        {"userInfo": {"username": "x", "groups": [], "extra": {"k": None}}},
        {"dryRun": None},
        {"options": None},
        {"object": None},
        {"newField": {"of": "a newer API server"}},
    ],
    ids=str,
)
def test_what_an_api_server_may_leave_out_is_no_fault(change: dict[str, Any]) -> None:
    """Null and absent are alike, and unknown fields are passed over."""
    assert codec.decode(json.dumps(_review(**change)).encode()).target.name == "checkout"


def test_a_collections_deletion_takes_its_name_from_what_is_stored() -> None:
    """The request itself names no object."""
    document = _review()
    del document["request"]["name"]
    assert codec.decode(json.dumps(document).encode()).target.name == "checkout"


def test_a_refusal_is_always_403_forbidden() -> None:
    """Clients retry, swallow or reword other codes."""
    response = json.loads(codec.denied("u", "first\nsecond", "ApprovalMissing", None, {}))["response"]
    assert response["allowed"] is False
    assert (response["status"]["code"], response["status"]["reason"]) == (403, "Forbidden")
    assert response["status"]["details"]["causes"] == [{"reason": "ApprovalMissing", "message": "first"}]
