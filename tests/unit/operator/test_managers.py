"""On what object a refused deletion is told of, by what GitOps controllers write on what they manage."""

from typing import Any

import pytest
from tests.support.builders import policy
from tests.support.change_requests import recorded

from seconder.admission.request import Metadata
from seconder.api.resources import Action
from seconder.operator import managers

_FLUX = "system:serviceaccount:flux-system:kustomize-controller"
_ARGO = "system:serviceaccount:argocd:argocd-application-controller"


def _labelled(group: str, **values: str) -> Metadata:
    return Metadata(labels={f"{group}/{key}": value for key, value in values.items()})


def _tracked(text: str) -> Metadata:
    return Metadata(annotations={"argocd.argoproj.io/tracking-id": text})


@pytest.mark.parametrize(
    ("stored", "requester", "path"),
    [
        (
            _labelled("kustomize.toolkit.fluxcd.io", name="shop", namespace="flux-system"),
            _FLUX,
            "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/shop",
        ),
        (
            _labelled("helm.toolkit.fluxcd.io", name="shop", namespace="prod"),
            _FLUX,
            "/apis/helm.toolkit.fluxcd.io/v2/namespaces/prod/helmreleases/shop",
        ),
        (
            _tracked("shop:apps/Deployment:prod/checkout"),
            _ARGO,
            "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop",
        ),
        (
            _tracked("team_shop:apps/Deployment:prod/checkout"),
            _ARGO,
            "/apis/argoproj.io/v1alpha1/namespaces/team/applications/shop",
        ),
    ],
)
def test_the_manager_is_found_by_labels_and_annotations(stored: Metadata, requester: str, path: str) -> None:
    """Flux' labels, and Argo CD's tracking annotation."""
    found = managers.of(stored, requester)
    assert found is not None
    assert found.path == path


@pytest.mark.parametrize(
    "stored",
    [
        Metadata(),
        _labelled("kustomize.toolkit.fluxcd.io", name="shop"),
        _labelled("kustomize.toolkit.fluxcd.io", name="../../secrets/x", namespace="flux-system"),
        _tracked("shop"),
        _tracked("a/b:apps/Deployment:prod/checkout"),
        _tracked(f"{'a' * 300}:apps/Deployment:prod/checkout"),
        _tracked(":apps/Deployment:prod/checkout"),
    ],
)
def test_what_names_nobody_is_nobodys(stored: Metadata) -> None:
    """Whoever may write to an object may write anything there: it never becomes another path."""
    assert managers.of(stored, _ARGO) is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"requester": _FLUX, "by_agent": False, "agent": None}, True),
        ({"requester": _FLUX, "by_agent": True}, False),
        ({"requester": "dana@example.com", "by_agent": False, "agent": None}, False),
        ({"requester": _FLUX, "by_agent": False, "agent": None, "action": Action.SCALE_TO_ZERO}, False),
    ],
)
def test_only_a_controllers_deletion_is_told_of(fields: dict[str, Any], told: bool) -> None:
    """An agent could have events written on others' objects, by a label on its own."""
    assert managers.concerned(recorded(policy(), **fields)) is told
