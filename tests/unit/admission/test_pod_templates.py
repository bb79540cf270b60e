"""Pods as the API server gives them; what reviews hold is read in the rule on pods' identities."""

import contextlib
import itertools
from typing import Any

import msgspec
import pytest
from tests.support.builders import DEPLOYMENTS, state, target, update

from seconder.admission import pod_templates
from seconder.admission.kinds import CRON_JOBS
from seconder.admission.review import ReviewContext
from seconder.api.policy import Mode
from seconder.api.resources import PODS, GroupResource
from seconder.approvals.verification import Memo


def test_a_pod_is_read_from_what_the_api_server_gives() -> None:
    """Without a name it runs as ``default``; what has another shape is an error and no answer."""
    assert pod_templates.account_of({"spec": {"serviceAccountName": "worker"}}) == "worker"
    assert pod_templates.account_of({"spec": {}}) == "default"
    with pytest.raises(msgspec.ValidationError):
        pod_templates.account_of({})


_POD = {"serviceAccountName": "worker"}
_SPECS: tuple[Any, ...] = (
    None,
    {},
    {"replicas": 1},
    {"template": None},
    {"template": {"spec": _POD}},
    {"template": {"spec": _POD}, "replicas": 2},
    {"template": {"spec": {}}, "jobTemplate": {"spec": {"template": {"spec": _POD}}}},
    {"jobTemplate": {"spec": {"template": {"spec": {}}}}, "schedule": "@daily"},
    _POD,
    "word",
    ["template"],
)


@pytest.mark.parametrize("resource", [PODS, CRON_JOBS, DEPLOYMENTS])
def test_pods_that_surely_stay_as_they_are_run_as_nobody_new(resource: GroupResource) -> None:
    """The short way never passes what the long way finds, and is taken where only a size differs."""
    short = 0
    for before, after in itertools.product(_SPECS, _SPECS):
        asked = update(target(resource), old={"spec": before}, new={"spec": after, "status": {"seen": 1}})
        context = ReviewContext(asked, state(), Mode.ENFORCE, 0.0, Memo(0))
        if pod_templates.surely_left(resource, *context.unlike):
            with contextlib.suppress(msgspec.MsgspecError):
                assert pod_templates.runs_as(resource, asked.old_spec, asked.new_spec) == "", (before, after)
            short += 1
    assert short > len(_SPECS) or resource == PODS
