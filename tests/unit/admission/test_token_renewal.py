"""An agent's own token: it is renewed until the end that is set for it, and by nobody else."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from seconder.admission import codec, guard, service_accounts
from seconder.admission.decision import Decision, decide
from seconder.admission.evidence import Evidence, World
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.request import Caller, Operation, Request, TokenRequest
from seconder.admission.service_accounts import Account
from seconder.api.policy import DEFAULT_TAGS, Mode
from seconder.api.reasons import Reason
from seconder.api.resources import GroupResource, Target
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Memo

NOW = 1_800_000_000.0
MINE = "system:serviceaccount:seconder-agents:kiro"
ACCOUNTS = GroupResource("", "serviceaccounts")
HOUR = TokenRequest(3600)


def _request(token: TokenRequest | None = HOUR, name: str = "kiro", subresource: str = "token") -> Request:
    target = Target(ACCOUNTS, "TokenRequest", "seconder-agents", name, "uid-1")
    return Request("r", Operation.CREATE, target, subresource, Caller(MINE), "", False, {}, {}, token=token)


def _refusal(request: Request, left: float | None) -> str:
    return guard.refusal(request, DEFAULT_TAGS, Guarded(), left)


def _decide(request: Request, ends: dict[str, float], *, fresh: bool = True) -> Decision:
    world = World(PolicyIndex([]), Registry([]), {}, "urn:uuid:1", Guarded(), ends)
    return decide(request, world, Mode.ENFORCE, Evidence(fresh, {}), NOW, Memo(1))


@pytest.mark.parametrize(
    ("token", "left", "allowed"),
    [
        (HOUR, None, True),
        (TokenRequest(10**9, bound=True), None, True),
        (None, None, True),
        (HOUR, 3600.0, True),
        (HOUR, 3599.9, False),
        (TokenRequest(600), 3600.0, True),
        (TokenRequest(600, bound=True), 3600.0, False),
        (TokenRequest(2**32), 3600.0, False),
        (TokenRequest(600), 0.0, False),
        (TokenRequest(0), 3600.0, False),
        (TokenRequest(-600), -100.0, False),
        (HOUR, float("nan"), False),
        (None, 3600.0, False),
    ],
)
def test_a_token_reaches_no_further_than_the_end(token: TokenRequest | None, left: float | None, allowed: bool) -> None:
    """Without an end there is no limit; what is asked for must be known and fit."""
    assert _refusal(_request(token), left) == ("" if allowed else "the end that is set for their tokens")


@pytest.mark.parametrize("left", [None, 10**6])
def test_an_end_far_ahead_opens_nobody_elses_token(left: float | None) -> None:
    """Nor the ServiceAccount itself, nor another subresource of it."""
    for request in (_request(name="hal"), _request(subresource=""), _request(subresource="status")):
        assert _refusal(request, left) == "ServiceAccounts and tokens of agents"


def test_the_decision_counts_from_now_to_the_callers_own_end() -> None:
    """One second too long is refused, by the end of this very ServiceAccount."""
    assert _decide(_request(), {MINE: NOW + 3600}).allowed
    refused = _decide(_request(), {MINE: NOW + 3599})
    assert (refused.allowed, refused.reason) == (False, Reason.PROTECTED_CONFIGURATION)
    assert "agents may not change the end that is set for their tokens" in refused.message
    assert _decide(_request(), {"system:serviceaccount:seconder-agents:hal": NOW - 1}).allowed


def test_no_token_is_renewed_by_an_end_that_may_be_out_of_date() -> None:
    """It may have been brought forward since, or set for the first time."""
    for ends in ({}, {MINE: NOW + 10**6}):
        stale = _decide(_request(), ends, fresh=False)
        assert (stale.allowed, stale.reason) == (False, Reason.INTERNAL_ERROR)
    person = Request(
        **{name: getattr(_request(), name) for name in Request.__struct_fields__} | {"caller": Caller("dana")}
    )
    assert _decide(person, {}, fresh=False).allowed


@pytest.mark.parametrize(
    ("annotations", "found"),
    [
        (None, None),
        ({}, None),
        ({"seconder.dev/operator": ""}, None),
        ({"seconder.dev/operator": "dana"}, Account("dana", None)),
        ({"seconder.dev/token-end": "2027-01-15T08:00:00Z"}, Account(None, NOW)),
        ({"seconder.dev/token-end": "2027-01-15T10:00:00+02:00"}, Account(None, NOW)),
        ({"seconder.dev/token-end": "2027-01-15T08:00:00"}, Account(None, 0.0)),
        ({"seconder.dev/token-end": "2027-02-30T08:00:00Z"}, Account(None, 0.0)),
        ({"seconder.dev/token-end": "1800000000"}, Account(None, 0.0)),
        ({"seconder.dev/token-end": "never"}, Account(None, 0.0)),
        ({"seconder.dev/token-end": ""}, Account(None, 0.0)),
        ({"seconder.dev/token-end": "0001-01-01T00:00:00+23:59"}, Account(None, 0.0)),
    ],
)
def test_an_end_that_cannot_be_read_has_passed(annotations: Any, found: Account | None) -> None:
    """Only RFC 3339 with a time zone is an end ahead."""
    assert datetime.fromtimestamp(NOW, UTC).isoformat() == "2027-01-15T08:00:00+00:00"
    read = service_accounts.account({"metadata": {"name": "kiro", "annotations": annotations}})
    if read and read.token_end is not None and read.token_end < 0:
        read = read._replace(token_end=0.0)
    assert read == found


def _review(spec: Any, resource: str = "serviceaccounts", subresource: str = "token") -> bytes:
    document = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "r",
            "kind": {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
            "resource": {"group": "", "version": "v1", "resource": resource},
            "subResource": subresource,
            "name": "kiro",
            "namespace": "seconder-agents",
            "operation": "CREATE",
            "userInfo": {"username": MINE},
            "object": {"metadata": {"name": "kiro"}} | ({} if spec is ... else {"spec": spec}),
        },
    }
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("spec", "token"),
    [
        ({"expirationSeconds": 600}, TokenRequest(600)),
        ({"expirationSeconds": 600, "boundObjectRef": None, "audiences": ["x"]}, TokenRequest(600)),
        ({"expirationSeconds": 600, "boundObjectRef": {"kind": "Pod"}}, TokenRequest(600, bound=True)),
        ({"expirationSeconds": 600, "boundObjectRef": {}}, TokenRequest(600, bound=True)),
        ({}, TokenRequest(3600)),
        ({"expirationSeconds": None}, None),
    ],
)
def test_what_is_asked_for_is_read_from_the_review(spec: Any, token: TokenRequest | None) -> None:
    """With the API server's own default."""
    assert codec.decode(_review(spec)).token == token


@pytest.mark.parametrize(
    "spec", [{"expirationSeconds": "600"}, {"expirationSeconds": 600.5}, {"boundObjectRef": 1}, [], "x", None, ...]
)
def test_a_token_request_that_is_not_understood_is_malformed(spec: Any) -> None:
    """It is refused, and never taken for a short one."""
    with pytest.raises(codec.Malformed, match="TokenRequest") as caught:
        codec.decode(_review(spec))
    assert caught.value.uid == "r"


@pytest.mark.parametrize("spec", ["text", [1], None, 5, {"expirationSeconds": "x"}, ...])
def test_the_spec_of_anything_else_may_be_anything(spec: Any) -> None:
    """Custom resources choose its shape."""
    for resource, subresource in (("serviceaccounts", ""), ("widgets", "token"), ("widgets", "")):
        assert codec.decode(_review(spec, resource, subresource)).token is None
