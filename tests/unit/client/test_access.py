"""What the API server is asked about roles and ServiceAccounts, and believed only as far as it answers."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from tests.support.cluster import eventually
from tests.support.served import Asked, Served

from seconder.admission import pod_templates
from seconder.admission.lookups import (
    Account,
    FirstRight,
    ReadableTokens,
    Right,
    RoleRules,
    RunningPod,
    SecretTokens,
    TokenAccounts,
)
from seconder.admission.rbac import RoleRef, Rule
from seconder.client.access import Access, access_review
from seconder.client.api import ApiError
from seconder.client.objects import TOKENS_ALONE, TooLate
from seconder.client.rights import Rights

WORKER = Account("payments", "worker")
RIGHTS = tuple(Right(verb, "apps", "deployments", "", "payments") for verb in ("delete", "patch", "update"))
RULES = {"rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]}
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class Reviewing(Served):
    """Says of each right whether its verb is in ``allowed``, or its name in ``names``, after ``seconds``."""

    def __init__(self) -> None:
        super().__init__({REVIEWS: self._review})
        self.allowed: set[str] = set()
        self.names: set[str] = set()
        self.seconds = 0.0

    def _review(self, asked: Asked) -> Any:
        time.sleep(min(self.seconds, asked.timeout))
        if self.seconds >= asked.timeout:
            return 0
        wanted = asked.document["spec"]["resourceAttributes"]
        return {"status": {"allowed": wanted["verb"] in self.allowed or wanted.get("name") in self.names}}

    @property
    def reviewed(self) -> list[dict[str, Any]]:
        """What was asked of the authorizer."""
        return [asked.document["spec"] for asked in self.asked if asked.path == REVIEWS]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Ask several at once."""
    with ThreadPoolExecutor(4) as made:
        yield made


@pytest.fixture
def served() -> Reviewing:
    """Nobody may anything."""
    return Reviewing()


@pytest.fixture
def access(served: Reviewing, pool: ThreadPoolExecutor) -> Access:
    """What is tried."""
    return Access(served, pool)


def _soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def _first(access: Access, account: Account = WORKER, rights: tuple[Right, ...] = RIGHTS, seconds: float = 5.0) -> Any:
    return access.first(FirstRight(account, rights), _soon(seconds))


def test_a_roles_rules_are_read_where_it_is(served: Reviewing, access: Access) -> None:
    """In its namespace or in none; a name may hold a colon."""
    base = "/apis/rbac.authorization.k8s.io/v1"
    served.answers |= {f"{base}/namespaces/payments/roles/r": RULES, f"{base}/clusterroles/system:x%20y": RULES}
    reads = [Rule(frozenset({"apps"}), frozenset({"deployments"}), frozenset({"get"}))]
    for role in (RoleRef("payments", "r"), RoleRef("", "system:x y")):
        assert access.rules(RoleRules(role), _soon()) == reads


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../roles", "%2e%2e"])
def test_no_name_leads_to_another_path(served: Reviewing, access: Access, name: str) -> None:
    """It is the client's own words."""
    with pytest.raises(ApiError):
        access.rules(RoleRules(RoleRef("", name)), _soon())
    with pytest.raises(ApiError):
        access.pod(RunningPod("payments", name), _soon())
    assert served.asked == []


def test_a_role_that_is_gone_gives_nobody_anything_today(served: Reviewing, access: Access) -> None:
    """Where that is what is asked; one that may not be read may."""
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/r"
    asked = RoleRules(RoleRef("", "r"), none_if_gone=True)
    served.answers[path] = 404
    assert access.rules(asked, _soon()) == ()
    served.answers[path] = 403
    with pytest.raises(ApiError):
        access.rules(asked, _soon())


@pytest.mark.parametrize("answer", [403, 404, 500, {"rules": "all"}], ids=str)
def test_a_role_that_cannot_be_read_is_no_empty_role(served: Reviewing, access: Access, answer: Any) -> None:
    """The request is then refused."""
    served.answers["/apis/rbac.authorization.k8s.io/v1/clusterroles/r"] = answer
    with pytest.raises((ApiError, msgspec.ValidationError)):
        access.rules(RoleRules(RoleRef("", "r")), _soon())


def test_the_first_right_that_a_serviceaccount_has_is_found(served: Reviewing, access: Access) -> None:
    """Or that it has none. Each is asked about by name."""
    assert _first(access) is None
    assert sorted(asked["resourceAttributes"]["verb"] for asked in served.reviewed) == ["delete", "patch", "update"]
    assert {asked["user"] for asked in served.reviewed} == {"system:serviceaccount:payments:worker"}
    served.allowed = {"update", "patch"}
    assert _first(access, Account("payments", "other")) == RIGHTS[1]


def test_a_pod_tells_as_whom_it_runs(served: Reviewing, access: Access) -> None:
    """One that is not there tells nothing, and that is a failure."""
    served.answers["/api/v1/namespaces/payments/pods/p"] = {"spec": {"serviceAccountName": "worker"}}
    assert pod_templates.account(access.pod(RunningPod("payments", "p"), _soon())) == "worker"
    with pytest.raises(ApiError):
        access.pod(RunningPod("payments", "gone"), _soon())


SECRETS = "/api/v1/namespaces/payments/secrets"
ACCOUNTS = "/api/v1/namespaces/payments/serviceaccounts"


def test_secrets_tell_whose_tokens_they_hold(served: Reviewing, access: Access) -> None:
    """By their metadata alone. Those that are not there may come to hold anybody's of their namespace."""
    holds = {"annotations": {"kubernetes.io/service-account.name": "worker"}}
    served.answers |= {f"{SECRETS}/token": {"metadata": holds}, f"{SECRETS}/plain": {"metadata": {}}}
    assert access.tokens(SecretTokens("payments", ("plain",)), _soon()) == TokenAccounts()
    held = frozenset({"worker"})
    assert access.tokens(SecretTokens("payments", ("plain", "token")), _soon()) == TokenAccounts(held)
    assert all("PartialObjectMetadata" in asked.accept for asked in served.asked)
    served.answers[ACCOUNTS] = {"metadata": {}, "items": [{"metadata": {"name": "default"}}]}
    awaited = access.tokens(SecretTokens("payments", ("later", "token")), _soon())
    assert awaited == TokenAccounts(held, frozenset({"default"}))


def test_a_secret_that_may_not_be_read_may_hold_anybodys_token(served: Reviewing, access: Access) -> None:
    """Of its namespace, as one that is not there."""
    served.answers |= {f"{SECRETS}/token": 403, ACCOUNTS: {"metadata": {}, "items": [{"metadata": {"name": "worker"}}]}}
    awaited = access.tokens(SecretTokens("payments", ("token",)), _soon())
    assert awaited == TokenAccounts(frozenset(), frozenset({"worker"}))


def test_whose_tokens_cannot_be_told_is_no_answer(served: Reviewing, access: Access) -> None:
    """A Secret that cannot be read, a name that is none, and more than can be looked at."""
    served.answers[f"{SECRETS}/token"] = 500
    for names in (("token",), ("a/b",), tuple(f"s{number}" for number in range(65))):
        with pytest.raises((ApiError, TooLate)):
            access.tokens(SecretTokens("payments", names), _soon())


def test_more_accounts_than_can_be_asked_about_are_said_to_be_so(served: Reviewing, access: Access) -> None:
    """Nobody needs to try again: it does not pass by itself."""
    many = [{"metadata": {"name": f"a{number}"}} for number in range(65)]
    served.answers |= {ACCOUNTS: {"metadata": {}, "items": many}, SECRETS: 403}
    assert access.tokens(SecretTokens("payments", ("later",)), _soon()) == TokenAccounts(crowded=True)
    assert access.readable(ReadableTokens(WORKER), _soon()) == TokenAccounts()
    served.allowed = {"get"}
    other = Account("payments", "other")
    assert access.readable(ReadableTokens(other), _soon()) == TokenAccounts(crowded=True)


def _token(name: str, whose: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": whose}}}


def test_whose_tokens_an_account_may_read_is_told_by_its_rights(
    served: Reviewing, access: Access, pool: ThreadPoolExecutor
) -> None:
    """To all Secrets of its namespace, or to some by their names; of none it is not asked, and its own is nobody's."""
    asked = ReadableTokens(WORKER)
    there = [_token("mine", "worker")]
    served.answers[SECRETS] = {"metadata": {}, "items": there}
    assert access.readable(asked, _soon()) == TokenAccounts()
    assert served.reviewed == []
    (listed,) = served.asked
    assert (listed.query["fieldSelector"], "PartialObjectMetadata" in listed.accept) == (TOKENS_ALONE, True)
    there += [_token("a", "deployer"), _token("b", "builder")]
    assert access.readable(asked, _soon()) == TokenAccounts()
    served.names = {"b"}
    assert Access(served, pool).readable(asked, _soon()) == TokenAccounts(frozenset({"builder"}))
    served.allowed = {"list"}
    assert Access(served, pool).readable(asked, _soon()).held == {"builder", "deployer"}


def test_tokens_that_may_not_be_seen_may_be_anybodys_for_who_may_read_them_all(
    served: Reviewing, access: Access
) -> None:
    """And for nobody else."""
    accounts = [{"metadata": {"name": name}} for name in ("default", "worker")]
    served.answers |= {SECRETS: 403, ACCOUNTS: {"metadata": {}, "items": accounts}}
    assert access.readable(ReadableTokens(WORKER), _soon()) == TokenAccounts()
    served.allowed = {"get"}
    other = Account("payments", "other")
    awaited = frozenset({"default", "worker"})
    assert access.readable(ReadableTokens(other), _soon()) == TokenAccounts(awaited=awaited)
    served.answers[SECRETS] = 500
    with pytest.raises(ApiError):
        access.readable(ReadableTokens(WORKER), _soon())


def test_more_tokens_than_can_be_asked_about_by_name_are_no_answer(served: Reviewing, access: Access) -> None:
    """Who may read them all is asked nothing by name."""
    served.answers[SECRETS] = {"metadata": {}, "items": [_token(f"t{number}", "other") for number in range(257)]}
    with pytest.raises(TooLate):
        access.readable(ReadableTokens(WORKER), _soon())
    served.allowed = {"watch"}
    assert access.readable(ReadableTokens(Account("payments", "reader")), _soon()) == TokenAccounts(
        frozenset({"other"})
    )


def _remembering(served: Reviewing, pool: ThreadPoolExecutor, **rights: Any) -> Access:
    return Access(served, pool, at_once=4, rights=Rights(**rights))


def test_an_answer_is_remembered_for_its_time(served: Reviewing, pool: ThreadPoolExecutor) -> None:
    """From when it was asked, whatever else is asked meanwhile. Other questions have the same answers in them."""
    access = _remembering(served, pool, life=0.3)
    for rights in (RIGHTS[:1], RIGHTS[:1], RIGHTS[:2]):
        assert _first(access, rights=rights) is None
    assert [asked["resourceAttributes"]["verb"] for asked in served.reviewed] == ["delete", "patch"]
    served.allowed = {"delete"}
    began = time.monotonic()
    eventually(lambda: _first(access, rights=RIGHTS[:1]) == RIGHTS[0], 5, "the old answer is forgotten")
    assert _first(access, Account("payments", "other"), rights=RIGHTS[:1]) == RIGHTS[0]
    served.allowed = set()
    assert _first(access, rights=RIGHTS[:1]) == RIGHTS[0]
    eventually(lambda: _first(access, rights=RIGHTS[:1]) is None, 5, "so is the new one")
    assert time.monotonic() - began >= 0.3


def test_an_answer_counts_from_when_it_was_asked_for(served: Reviewing, pool: ThreadPoolExecutor) -> None:
    """A right that is given while the API server takes its time is seen no later for that."""
    access = _remembering(served, pool, life=0.2)
    served.seconds = 0.3
    assert _first(access, rights=RIGHTS[:1]) is None
    served.allowed = {"delete"}
    assert _first(access, rights=RIGHTS[:1]) == RIGHTS[0]


MANY = tuple(Right("delete", "apps", "deployments", "", f"n{number}") for number in range(60))


def test_a_question_that_was_too_late_goes_on_where_it_ended(served: Reviewing, pool: ThreadPoolExecutor) -> None:
    """However many rights it asks about, each try comes further."""
    access = _remembering(served, pool)
    served.seconds = 0.02
    tries = 0
    while True:
        tries += 1
        asked = len(served.reviewed)
        try:
            assert _first(access, rights=MANY, seconds=0.15) is None
            break
        except (TooLate, TimeoutError, ApiError):
            assert len(served.reviewed) > asked
    assert 1 < tries < 20
    assert len(served.reviewed) < 2 * len(MANY)


def test_what_is_being_asked_is_not_asked_twice(served: Reviewing, pool: ThreadPoolExecutor) -> None:
    """Many pods of one ServiceAccount are made at once."""
    access = _remembering(served, pool)
    served.seconds = 0.01
    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: _first(access, rights=MANY), range(6)))
    assert answers == [None] * 6
    assert len(served.reviewed) == len(MANY)


def test_who_has_more_time_does_not_suffer_from_who_asked_first(served: Reviewing, pool: ThreadPoolExecutor) -> None:
    """The first one's question ends with its time, and is asked again."""
    access = _remembering(served, pool)
    served.seconds = 1.5
    with ThreadPoolExecutor(2) as callers:
        hasty = callers.submit(_first, access, seconds=1.0)
        eventually(lambda: len(served.reviewed) == len(RIGHTS), 5, "it has asked")
        patient = callers.submit(_first, access, seconds=8.0)
        assert patient.result() is None
        with pytest.raises((TooLate, TimeoutError, ApiError)):
            hasty.result()


def test_of_several_questions_none_waits_for_all_of_another(served: Reviewing, pool: ThreadPoolExecutor) -> None:
    """Few rights are answered soon while very many are asked about."""
    access = _remembering(served, pool)
    served.seconds = 0.01
    with ThreadPoolExecutor(1) as callers:
        long_one = callers.submit(_first, access, rights=MANY, seconds=5.0)
        eventually(lambda: served.reviewed, 5, "it has begun")
        assert _first(access, Account("payments", "other")) is None
        assert len(served.reviewed) < len(MANY)
        assert long_one.result() is None


def test_what_is_remembered_is_bounded(served: Reviewing, pool: ThreadPoolExecutor) -> None:
    """An agent may name any number of ServiceAccounts; who was asked about last is remembered."""
    rights = Rights(most=10)
    access = Access(served, pool, rights=rights)
    for number in range(30):
        _first(access, Account("payments", f"a{number}"))
        assert len(rights) <= 10
    asked = len(served.reviewed)
    _first(access, Account("payments", "a29"))
    assert len(served.reviewed) == asked
    _first(access, Account("payments", "a0"))
    assert len(served.reviewed) == asked + len(RIGHTS)


def test_no_answer_in_time_or_a_strange_one_is_a_failure(served: Reviewing, access: Access) -> None:
    """And is not remembered."""
    review = served.answers[REVIEWS]
    served.answers[REVIEWS] = {}
    with pytest.raises(msgspec.ValidationError):
        _first(access)
    served.answers[REVIEWS] = review
    served.seconds = 1.0
    with pytest.raises((ApiError, TimeoutError, TooLate)):
        _first(access, seconds=0.1)
    served.seconds = 0.0
    served.allowed = {"delete"}
    assert _first(access) == RIGHTS[0]


def test_a_question_has_the_words_of_a_subjectaccessreview() -> None:
    """With the groups that every token of the ServiceAccount has; what is empty is left out."""
    asked = access_review(WORKER, Right("patch", "apps", "deployments", "scale", "p", "checkout"))
    assert (asked["apiVersion"], asked["kind"]) == ("authorization.k8s.io/v1", "SubjectAccessReview")
    assert asked["spec"] == {
        "user": "system:serviceaccount:payments:worker",
        "groups": ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:payments"],
        "resourceAttributes": {
            "verb": "patch",
            "group": "apps",
            "resource": "deployments",
            "subresource": "scale",
            "namespace": "p",
            "name": "checkout",
        },
    }
    everywhere = access_review(WORKER, Right("get", "", "nodes", "proxy", ""))["spec"]["resourceAttributes"]
    assert everywhere == {"verb": "get", "resource": "nodes", "subresource": "proxy"}
