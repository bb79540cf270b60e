"""explain without a cluster: who would be asked at all, and what counts."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support import signing
from tests.support.signing import DEPLOYMENT, NOW

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.request import Caller
from seconder.admission.state import ClusterState
from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.resources import GroupResource, ResolvedResource, Target
from seconder.approvals.registry import Registry
from seconder.client.api import ApiError
from seconder.plugin.approving.cluster_reads import Place
from seconder.plugin.commands import explain

_DEPLOYMENTS = GroupResource("apps", "deployments")
_POLICY = Policy("default", resources=frozenset({_DEPLOYMENTS}))
_KIRO = Caller("system:serviceaccount:seconder-agents:kiro", frozenset({"system:authenticated"}))
_DANA = Caller("dana@example.com", frozenset({"system:authenticated"}))


class _Api:
    """Answers the one question about the webhook's configuration; ``status`` 0 is that it is there."""

    def __init__(self, status: int = 0) -> None:
        self.server_date = ""
        self._status = status

    def metadata(self, path: str) -> dict[str, Any]:
        assert path.endswith("/validatingwebhookconfigurations/seconder")
        if self._status:
            raise ApiError(self._status, "no")
        return {}


def _explain(
    caller: Caller,
    *policies: Policy,
    target: Target = DEPLOYMENT,
    annotations: Mapping[str, str] | None = None,
    status: int = 0,
    registry: Registry | None = None,
) -> explain.Explanation:
    metadata = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
    document = {"metadata": metadata | {"annotations": dict(annotations or {})}}
    place = Place(target, "v1", document, "", None)
    seen = ClusterState(PolicyIndex(policies), registry or signing.registry(), {}, signing.AUDIENCE, Installation())
    return explain.explanation(place, caller, seen, _Api(status), NOW)  # type: ignore[arg-type]


def _text(found: explain.Explanation) -> str:
    return "\n".join(explain.lines(found))


@pytest.mark.parametrize(
    ("policy", "caller", "words"),
    [
        (
            Policy("other", resources=frozenset({GroupResource("", "secrets")})),
            _KIRO,
            "no policy names deployments.apps",
        ),
        (_POLICY, _DANA, "dana@example.com is no agent"),
        (
            Policy(
                "all",
                subjects=Subjects.EVERYONE,
                resources=frozenset({_DEPLOYMENTS}),
                exempt_users=frozenset({"dana@example.com"}),
            ),
            _DANA,
            "no policy names deployments.apps to others",
        ),
        (_POLICY, Caller("system:serviceaccount:kube-system:namespace-controller"), "own controllers"),
    ],
)
def test_it_says_why_nobody_is_asked(policy: Policy, caller: Caller, words: str) -> None:
    """In plain words, and no refusal is claimed."""
    found = _explain(caller, policy)
    assert (found.asked, found.enforce.allowed, found.text) == (False, True, "")
    assert words in _text(found)
    assert "The API server does not ask Seconder" in _text(found)


@pytest.mark.parametrize(
    ("policy", "caller"),
    [
        (Policy("there", resources=frozenset({_DEPLOYMENTS}), namespaces=frozenset({"elsewhere"})), _KIRO),
        (
            Policy("there", resources=frozenset({GroupResource("*", "*")}), namespaces=frozenset({"elsewhere"})),
            _KIRO,
        ),
    ],
)
def test_what_is_asked_and_let_through_is_told_as_that(policy: Policy, caller: Caller) -> None:
    """A policy names the kind elsewhere: an agent's request is asked about all the same."""
    found = _explain(caller, policy)
    assert (found.asked, found.enforce.allowed) == (True, True)
    assert "Seconder is asked, and lets it through" in _text(found)


def test_a_namespace_goes_with_what_it_holds() -> None:
    """A policy that names anything which a namespace holds has the API server ask about namespaces."""
    resolved = {_DEPLOYMENTS: ResolvedResource(_DEPLOYMENTS, "v1", namespaced=True, custom=False)}
    policy = Policy("p", resources=frozenset({_DEPLOYMENTS}), resolved=resolved)
    assert explain._names(policy, GroupResource("", "namespaces"))
    assert not explain._names(policy, GroupResource("", "nodes"))


def test_a_guard_that_is_not_in_place_is_told() -> None:
    """Without the API server's configuration a refusal here means nothing there."""
    assert "nothing in this cluster asks Seconder" in _text(_explain(_KIRO, _POLICY, status=404))
    assert "taken for granted" in _text(_explain(_KIRO, _POLICY, status=403))
    assert "note:" not in _text(_explain(_KIRO, _POLICY))
    with pytest.raises(ApiError):
        _explain(_KIRO, _POLICY, status=500)


def test_approvals_nobody_looks_at_are_told_as_such() -> None:
    """Where no policy asks for any, a good one counts for nothing, and its signer is not vouched for."""
    key = "approval.seconder.dev/alice"
    found = explain.document(_explain(_DANA, _POLICY, annotations={key: signing.approval()}))
    ((told),) = found["approvals"]
    assert (told["counts"], told["proven"], told["message"]) == (False, False, "no policy asks for it here")


def test_an_approval_of_a_policy_that_only_watches_is_judged_by_that() -> None:
    """Nothing enforces, so the other decision is the one that looked."""
    watching = Policy("w", mode=Mode.AUDIT, resources=frozenset({_DEPLOYMENTS}))
    found = _explain(_KIRO, watching, annotations={"approval.seconder.dev/alice": signing.approval()})
    assert (found.enforce.allowed, found.audit.allowed, found.asked) == (True, True, True)
    ((told),) = explain.document(found)["approvals"]
    assert (told["counts"], told["approver"]) == (True, "alice@example.com")


def test_text_from_the_cluster_steers_no_terminal() -> None:
    """Names of annotations, users and objects are other people's."""
    target = Target(_DEPLOYMENTS, "Deployment", "payments", "check\x1b[2Jout", "u")
    caller = Caller("system:serviceaccount:seconder-agents:ki\u202ero")
    found = _explain(caller, _POLICY, target=target, annotations={"approval.seconder.dev/a\x07b": "x"})
    assert "check[2Jout" in _text(found)
    assert not {"\x1b", "\u202e", "\x07"} & set(_text(found))
