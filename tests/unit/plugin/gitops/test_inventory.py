"""Inventories as controllers write them, and the marks on objects that they heed."""

from typing import Any

import pytest

from seconder.plugin.gitops import identity, inventory
from seconder.plugin.gitops.identity import Identity
from seconder.plugin.gitops.inventory import Controller


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop_checkout_apps_Deployment", Identity("apps", "Deployment", "shop", "checkout")),
        ("_shop__Namespace", Identity("", "Namespace", "", "shop")),
        (
            "_system__node_rbac.authorization.k8s.io_ClusterRole",
            Identity("rbac.authorization.k8s.io", "ClusterRole", "", "system:node"),
        ),
    ],
)
def test_an_entry_is_read_as_flux_writes_it(text: str, expected: Identity) -> None:
    """ObjMetadata of cli-utils: underscores between, two for a colon in a role's name."""
    assert inventory.entry(text) == expected


@pytest.mark.parametrize("text", ["", "shop", "shop_checkout", "shop_checkout_apps", "shop_checkout_apps_", "a__b_C"])
def test_what_is_no_entry_is_never_passed_over(text: str) -> None:
    """An entry that is not understood could be what is deleted."""
    with pytest.raises(ValueError, match="no entry of an inventory"):
        inventory.entry(text)


def _marked(place: str, key: str, value: str) -> dict[str, Any]:
    return {"metadata": {"name": "checkout", place: {key: value}}}


@pytest.mark.parametrize("place", ["labels", "annotations"])
@pytest.mark.parametrize("name", ["prune", "reconcile"])
@pytest.mark.parametrize("value", ["disabled", "Disabled"])
def test_flux_keeps_what_says_so(place: str, name: str, value: str) -> None:
    """AnyInMetadata of fluxcd/pkg/ssa."""
    document = _marked(place, f"kustomize.toolkit.fluxcd.io/{name}", value)
    assert inventory.disabled(Controller.FLUX, document)
    assert not inventory.disabled(Controller.ARGO, document)
    assert not inventory.disabled(Controller.NONE, document)


@pytest.mark.parametrize("value", ["Prune=false", "Validate=false, Prune=false"])
def test_argo_keeps_what_says_so(value: str) -> None:
    """The sync option, among others."""
    document = _marked("annotations", "argocd.argoproj.io/sync-options", value)
    assert inventory.disabled(Controller.ARGO, document)
    assert not inventory.disabled(Controller.FLUX, document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"metadata": {}},
        {"metadata": {"annotations": None}},
        _marked("annotations", "kustomize.toolkit.fluxcd.io/prune", "enabled"),
        _marked("annotations", "kustomize.toolkit.fluxcd.io/ssa", "disabled"),
        _marked("annotations", "argocd.argoproj.io/sync-options", "Prune=confirm"),
    ],
)
def test_nothing_else_is_kept(document: dict[str, Any]) -> None:
    """A mark that is not known for certain spares nothing."""
    assert not any(inventory.disabled(controller, document) for controller in Controller)


def test_what_a_controller_may_make_anew_is_told() -> None:
    """Deleted and made again where a field cannot be changed."""
    assert inventory.replaced(Controller.FLUX, _marked("annotations", "kustomize.toolkit.fluxcd.io/force", "enabled"))
    argo = _marked("annotations", "argocd.argoproj.io/sync-options", "Force=true,Replace=true")
    assert inventory.replaced(Controller.ARGO, argo)
    assert not inventory.replaced(Controller.FLUX, argo)


def test_an_object_is_named_as_kubectl_names_it() -> None:
    """With its group and namespace, where there are any; and cleaned."""
    assert Identity("apps", "Deployment", "shop", "checkout").typed == "deployment.apps/checkout -n shop"
    assert Identity("", "Namespace", "", "sh\u202eop").typed == "namespace/shop"
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"}}
    assert identity.of(document) == Identity("", "Service", "b", "a")
