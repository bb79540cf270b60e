"""What the specification of pods tells; what reviews hold is read in the rule on pods' identities."""

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


def _raw(document: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(document))


def test_a_pod_runs_as_the_account_that_it_names() -> None:
    """Without a name as ``default``; what has another shape is an error and no answer."""
    assert pod_templates.account(_raw({"serviceAccountName": "worker"})) == "worker"
    assert pod_templates.account(_raw({})) == "default"
    with pytest.raises(msgspec.ValidationError):
        pod_templates.account(_raw([]))


@pytest.mark.parametrize(
    "names",
    [
        {"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}]}]},
        {"initContainers": [{"envFrom": [{"secretRef": {"name": "s", "optional": True}}]}]},
        {"ephemeralContainers": [{"envFrom": [{"prefix": "P"}, {"secretRef": {"name": "s"}}]}]},
        {"volumes": [{"name": "v", "secret": {"secretName": "s", "items": [{"key": "token", "path": "t"}]}}]},
        {"volumes": [{"projected": {"sources": [{"secret": {"name": "s"}}]}}]},
        {"volumes": [{"csi": {"driver": "d", "nodePublishSecretRef": {"name": "s"}}}]},
        {"volumes": [{"flexVolume": {"driver": "d", "secretRef": {"name": "s"}}}]},
        {"volumes": [{"azureFile": {"secretName": "s", "shareName": "x"}}]},
        {"imagePullSecrets": [{"name": "s"}, {}]},
        {"newerVolume": {"anotherSecretRef": {"name": "s"}}},
    ],
    ids=lambda names: next(iter(names)),
)
def test_whatever_field_names_a_secret_is_read(names: Any) -> None:
    """Of core/v1, and of what comes after it."""
    assert pod_templates.secrets(_raw(names)) == {"s"}


def test_what_names_no_secret_has_none() -> None:
    """Other references, and words about Secrets in values."""
    plain = {
        "containers": [{"env": [{"name": "A", "value": "a secret"}], "envFrom": [{"configMapRef": {"name": "c"}}]}]
    }
    assert pod_templates.secrets(_raw(plain)) == set()
    assert pod_templates.secrets(_raw(None)) == set()


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
                assert pod_templates.specification(resource, asked.old_spec, asked.new_spec) is None, (before, after)
            short += 1
    assert short > len(_SPECS) or resource == PODS
