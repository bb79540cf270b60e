"""One question of the API server's authorizer from its bytes to its answer."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders import policy, state
from tests.support.served import View

from seconder.api.policy import AgentTags
from seconder.http.handler import BadReview
from seconder.observability.metrics import AuthorizerMetrics
from seconder.webhook.authorizer import Authorizer

DENIED = {"allowed": False, "denied": True, "reason": "agents may not impersonate"}
NO_OPINION = {"allowed": False}
IMPERSONATE = {"verb": "impersonate", "resource": "users", "name": "dana"}


LOADED = View(state())


def _answer(view: View, body: bytes, registry: CollectorRegistry | None = None) -> dict[str, Any]:
    authorizer = Authorizer(view, "seconder-system", AuthorizerMetrics(registry or CollectorRegistry()))
    answer: dict[str, Any] = json.loads(asyncio.run(authorizer.answer(body)))
    assert (answer["apiVersion"], answer["kind"]) == ("authorization.k8s.io/v1", "SubjectAccessReview")
    status: dict[str, Any] = answer["status"]
    return status


def _review(**spec: Any) -> bytes:
    document = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return json.dumps(document).encode()


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize(
    "who",
    [
        {"user": "hal", "groups": ["seconder.dev:agents"]},
        {"user": "hal", "extra": {"seconder.dev/agent": ["kiro"]}},
        {"user": "hal", "extra": {"seconder.dev/agent": None}},
        {"user": "system:serviceaccount:seconder-agents:kiro", "groups": None, "extra": None},
    ],
)
def test_an_agent_by_the_default_tags_is_denied_loaded_or_not(who: dict[str, Any], loaded: bool) -> None:
    """There is no moment in which they do not count."""
    assert _answer(LOADED if loaded else View(), _review(**who, resourceAttributes=IMPERSONATE)) == DENIED


def test_an_agent_by_a_policys_tags_is_denied_once_policies_are_loaded() -> None:
    """Whatever else that policy says."""
    body = _review(user="hal", groups=["our-bots"], resourceAttributes=IMPERSONATE)
    own = policy(agents=AgentTags(groups=frozenset({"our-bots"})))
    assert _answer(View(state(own)), body) == DENIED
    assert _answer(LOADED, body) == NO_OPINION


@pytest.mark.parametrize("loaded", [True, False])
def test_there_is_no_opinion_on_people_loaded_or_not(loaded: bool) -> None:
    """Our own programs among them, which must load the policies first."""
    for user in ("dana", "system:serviceaccount:seconder-system:seconder-webhook"):
        body = _review(user=user, groups=["people"], resourceAttributes=IMPERSONATE)
        assert _answer(LOADED if loaded else View(), body) == NO_OPINION


def test_every_attribute_reaches_the_decision() -> None:
    """Group, subresource, namespace and name too."""
    who = {"user": "system:serviceaccount:seconder-agents:kiro"}
    for asked, denied in [
        ({"verb": "delete", "group": "seconder.dev", "version": "*", "resource": "approvers"}, True),
        ({"verb": "get", "version": "v1", "resource": "nodes", "subresource": "proxy", "name": "n1"}, True),
        ({"verb": "create", "resource": "pods", "namespace": "seconder-system"}, True),
        ({"verb": "delete", "resource": "namespaces", "name": "seconder-system", "namespace": ""}, True),
        ({"verb": "delete", "resource": "namespaces", "name": "payments"}, False),
    ]:
        assert _answer(LOADED, _review(**who, resourceAttributes=asked)).get("denied", False) is denied, asked


def test_there_is_no_opinion_on_paths() -> None:
    """Such as /metrics."""
    body = _review(
        user="hal", groups=["seconder.dev:agents"], nonResourceAttributes={"path": "/metrics", "verb": "get"}
    )
    assert _answer(LOADED, body) == NO_OPINION


def test_unknown_fields_are_passed_over() -> None:
    """Newer API servers add some."""
    asked = IMPERSONATE | {"fieldSelector": {"requirements": []}, "of-the-future": 1}
    body = _review(user="hal", uid="1", groups=["seconder.dev:agents"], resourceAttributes=asked, more={})
    assert _answer(LOADED, body) == DENIED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{",
        b"[" * 100_000,
        b'{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}',
        b"\xff\xfe",
        _review(user="hal"),
        _review(user=7, resourceAttributes=IMPERSONATE),
        _review(user="hal", groups="seconder.dev:agents", resourceAttributes=IMPERSONATE),
        _review(user="hal", resourceAttributes={"resource": "users"}),
        _review(user="hal", resourceAttributes={"verb": "impersonate", "resource": None}),
        _review(user="hal", resourceAttributes=IMPERSONATE).replace(b"io/v1", b"io/v1beta1"),
        _review(user="hal", resourceAttributes=IMPERSONATE).replace(b"SubjectAccess", b"Admission"),
        _review(user="b\udcff", resourceAttributes=IMPERSONATE),
        # Whoever reaches the port may send as much as a review may have.
        _review(user="hal", resourceAttributes=IMPERSONATE, groups=["x" * 1000] * 300),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_question_gets_no_answer(body: bytes) -> None:
    """The API server then acts by its failurePolicy, and the text holds nothing of the body's."""
    with pytest.raises(BadReview) as raised:
        _answer(LOADED, body)
    assert "hal" not in raised.value.detail
    assert len(raised.value.detail) < 500


def test_a_denial_is_logged_in_one_short_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Who, what and why; what somebody sent is shortened. No opinion is not logged."""
    name = "x" * 100_000
    _answer(
        LOADED, _review(user="hal", groups=["seconder.dev:agents"], resourceAttributes=IMPERSONATE | {"name": name})
    )
    _answer(LOADED, _review(user="dana", resourceAttributes=IMPERSONATE))
    (line,) = capfd.readouterr().out.splitlines()
    logged = json.loads(line)
    assert (logged["message"], logged["user"], logged["verb"]) == ("access refused", "hal", "impersonate")
    assert logged["reason"] == DENIED["reason"]
    assert len(line) < 1000


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        (
            _review(user="hal", groups=["seconder.dev:agents"], resourceAttributes=IMPERSONATE),
            {"decision": "deny", "reason": "ProtectedConfiguration"},
        ),
        (_review(user="dana", resourceAttributes=IMPERSONATE), {"decision": "no_opinion", "reason": "NotCovered"}),
        (
            _review(user="dana", nonResourceAttributes={"path": "/metrics", "verb": "get"}),
            {"decision": "no_opinion", "reason": "NotCovered"},
        ),
        (b"{", {"decision": "error", "reason": "RequestMalformed"}),
    ],
    ids=["denied", "no opinion", "path", "malformed"],
)
def test_every_answer_is_counted_once_by_what_was_decided(body: bytes, labels: dict[str, str]) -> None:
    """In three series, whatever is asked; each is there from the start, so that its first increase is seen."""
    registry = CollectorRegistry()
    with contextlib.suppress(BadReview):
        _answer(LOADED, body, registry)
    samples = [
        sample
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "seconder_authorization_requests_total"
    ]
    assert len(samples) == 3
    assert [sample.labels for sample in samples if sample.value == 1] == [labels]
    assert sum(sample.value for sample in samples) == 1
