"""What one review costs, as the number of Python calls: the same on every machine, and most of the time goes there.

A number that is too high is a regression. Where it buys something, raise it in the commit that needs it, and say there
what for; where a review has become cheaper, lower it, so that the next one is noticed.
"""

import functools
import importlib
import os
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.support import signing, ssh_ca
from tests.support.builders import approved, deletion, policy, scale, state, update
from tests.support.calls import counted
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import ViewIsFresh
from seconder.admission.policy_index import Installation
from seconder.admission.request import Request
from seconder.api import constants
from seconder.approvals.certificates.authority import Authority
from seconder.approvals.registry import Registry
from seconder.client.api import Api
from seconder.client.cache import Cache
from seconder.client.credentials import Credentials
from seconder.client.dependents import DependentsIndex
from seconder.client.resolver import Resolver
from seconder.client.watch import Watch
from seconder.observability import log
from seconder.observability.metrics import ReviewMetrics
from seconder.webhook.recorder import Recorder
from seconder.webhook.reviewer import Reviewer


def _owning(manager: str, *fields: str) -> dict[str, Any]:
    owned: dict[str, Any] = {"f:spec": {field: {} for field in fields}}
    return {"manager": manager, "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": owned}


REFUSED = deletion()
APPROVED = deletion(stored={"annotations": approved()})
APPROVED_ANEW = deletion(stored={"annotations": approved(jti="anew".rjust(32, "0"))})
CHANGES = update(old={"spec": {"replicas": 1}}, new={"spec": {"replicas": 1, "paused": True}})
MOVED = update(
    old={"spec": {"replicas": 1}, "managedFields": [_owning("kubectl-create", "f:replicas")]},
    new={"spec": {"replicas": 3}, "managedFields": [_owning("kubectl", "f:replicas")]},
)
"""As an API server sends it: who changes a value comes to own the field."""

FREE = update(old={"spec": {"replicas": 1}}, new={"spec": {"replicas": 3}})


def _fail(what: str, error: Exception) -> None:
    raise AssertionError(what) from error


@pytest.fixture
def reviewer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Reviewer]:
    """The webhook as it is, with its watches as if they had just listed nothing; the log goes to a file."""
    monkeypatch.setattr(Watch, "start", lambda _: None)
    monkeypatch.setattr(Watch, "age", lambda _: 0.0)
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    monkeypatch.setattr(log, "_OUTPUT", log.Output(descriptor))
    api = Api(Credentials("https://127.0.0.1:1", b""), user_agent="test")
    cache = Cache(api, Installation(), _fail)
    for watch in cache._proving:
        watch.proven = float("inf")
    cache.state = state(policy())
    index = DependentsIndex(api, _fail)
    index.follow(cache.state.policies)
    for kind in index._kinds.values():
        kind.watch.proven = float("inf")
    resolver = Resolver(api, index, cache.fresh, _fail)
    metrics = ReviewMetrics(CollectorRegistry())
    recorder = Recorder(api, cache, resolver, _fail)
    yield Reviewer(cache, (resolver, resolver), recorder, metrics, clock=lambda: float(signing.NOW))
    os.close(descriptor)


def _calls(reviewer: Reviewer, before_it: Request, asked: Request) -> Counter[str]:
    """The Python functions that are called for a review when another has come before it, each as often as it is."""
    reviewer.enforce(before_it.body)
    answer, calls = counted(functools.partial(reviewer.enforce, asked.body))
    assert isinstance(answer, bytes), "it was answered at once"
    return calls


CASES = pytest.mark.parametrize(
    ("before_it", "asked", "most"),
    [
        (REFUSED, REFUSED, 68),
        (APPROVED, APPROVED, 101),
        (APPROVED, APPROVED_ANEW, 130),
        (CHANGES, CHANGES, 283),
        (FREE, FREE, 100),
        (MOVED, MOVED, 155),
    ],
    ids=[
        "refused",
        "approved, seen again",
        "approved, seen first",
        "a refused change",
        "an agent's free update",
        "one that has fields change hands",
    ],
)


@CASES
def test_a_review_takes_no_more_calls_than_before(
    reviewer: Reviewer, before_it: Request, asked: Request, most: int
) -> None:
    """A tenth of a microsecond each, and nearly all that a review costs."""
    calls = _calls(reviewer, before_it, asked)
    told = "\n".join(f"{times:4} {function}" for function, times in calls.most_common())
    assert calls.total() <= most, f"{calls.total()} Python calls, not {most} at the most:\n{told}"


def test_what_is_free_costs_no_more_than_what_is_refused(reviewer: Reviewer) -> None:
    """Of an agent's updates: they are most of what it does."""
    free, refused = _calls(reviewer, FREE, FREE), _calls(reviewer, CHANGES, CHANGES)
    assert free.total() <= refused.total()


@pytest.mark.parametrize(
    "asked",
    [
        FREE,
        scale(1, 3),
        update(old={"labels": {"a": "1"}}, new={"labels": {"a": "2"}}),
        update(old={"spec": {"template": {"image": "a"}}}, new={"spec": {"template": {"image": "b"}}}),
    ],
    ids=["sized", "sized by scale", "labelled", "rolled out"],
)
def test_an_agents_free_update_takes_no_look_up(asked: Request) -> None:
    """Only whether the view is fresh is asked, which is at hand."""
    answers = Answers()
    decided = decide(asked, state(policy()), answers=answers)
    assert decided.allowed, decided.message
    assert {type(lookup) for lookup in answers.asked} <= {ViewIsFresh}


def _by_certificate(**claims: Any) -> Request:
    issued = ssh_ca.issue(signing.key("ca"), signing.key("erin").line, "erin@example.com")
    value = ssh_ca.approval(issued, signing.key("erin"), iss="erin@example.com", **claims)
    return deletion(stored={"annotations": {f"{constants.APPROVAL_PREFIX}erin": value}})


def _with(reviewer: Reviewer, *authorities: Authority) -> Registry:
    registry = Registry(signing.registry().approvers, authorities)
    assert reviewer._cache.state is not None
    reviewer._cache.state = replace(reviewer._cache.state, registry=registry)
    return registry


@CASES
def test_an_authority_costs_a_review_by_a_listed_key_nothing(
    reviewer: Reviewer, before_it: Request, asked: Request, most: int
) -> None:
    """A listed key is found first, and nothing is asked of authorities."""
    _with(reviewer, ssh_ca.authority())
    assert _calls(reviewer, before_it, asked).total() <= most


def test_five_thousand_approvers_of_one_authority_cost_a_review_nothing(reviewer: Reviewer) -> None:
    """As many calls as with one of them, each of the others having shown a certificate meanwhile."""
    registry = _with(reviewer, ssh_ca.authority())
    first, again = _by_certificate(), _by_certificate()
    seen_again = _calls(reviewer, first, again)
    assert seen_again.total() <= 107, seen_again.most_common()
    seen_first = _calls(reviewer, first, _by_certificate(jti="first".rjust(32, "0")))
    assert seen_first.total() <= 141, seen_first.most_common()
    ca, erin = signing.key("ca"), signing.key("erin")
    for number in range(5000):
        who = signing.string(b"person-%d@example.com" % number)
        assert registry.certified(ssh_ca.made(ca, erin.blob, principals=who).blob)
    assert _calls(reviewer, first, again).total() <= seen_again.total()
    assert _calls(reviewer, first, _by_certificate(jti="later".rjust(32, "0"))).total() <= seen_first.total()


def _listed() -> set[str]:
    project = Path(__file__).parents[3] / "pyproject.toml"
    return {f"seconder.{name}" for name in tomllib.loads(project.read_text())["tool"]["seconder"]["compiled"]}


@CASES
def test_what_a_review_runs_through_is_compiled_in_the_image(
    reviewer: Reviewer, before_it: Request, asked: Request, most: int
) -> None:
    """A module that is forgotten makes reviews slower, and nothing else would tell."""
    files = {called.partition(":")[0] for called in _calls(reviewer, before_it, asked)}
    rooms = Path(constants.__file__).parents[1]
    modules = {Path(file).relative_to(rooms.parent) for file in files if Path(file).is_relative_to(rooms)}
    assert {".".join(path.with_suffix("").parts) for path in modules} <= _listed()


@pytest.mark.parametrize("name", sorted(_listed()))
def test_a_module_is_compiled_where_that_was_asked_for_and_nowhere_else(name: str) -> None:
    """So that `make test-compiled` tests what it says."""
    file = importlib.import_module(name).__file__ or ""
    assert file.endswith(tuple(EXTENSION_SUFFIXES)) == (os.environ.get("SECONDER_COMPILED") == "1"), file
