"""What a policy's names stand for: nothing is protected in silence that is not there."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support import served as serving

from seconder.api.resources import GroupResource, Presence, ResolvedResource
from seconder.client.api import ApiError
from seconder.client.discovery import Catalogue, Served, catalogue, resolve

DEPLOYMENTS = GroupResource("apps", "deployments")
PODS = GroupResource("", "pods")
NODES = GroupResource("", "nodes")
NAMESPACES = GroupResource("", "namespaces")
METRICS = GroupResource("metrics.k8s.io", "pods")


def _served(resource: GroupResource, *aliases: str, namespaced: bool = True) -> Served:
    return Served(ResolvedResource(resource, "v1", namespaced, custom=False), frozenset(aliases))


SERVED = Catalogue(
    {
        DEPLOYMENTS: _served(DEPLOYMENTS, "deployment", "deploy"),
        PODS: _served(PODS, "pod", "po"),
        NODES: _served(NODES, "node", namespaced=False),
        NAMESPACES: _served(NAMESPACES, "namespace", "ns", namespaced=False),
        METRICS: _served(METRICS, "podmetrics", "pod"),
    }
)


def _names(named: set[GroupResource], *, namespaces: bool = False) -> tuple[set[GroupResource], list[str]]:
    found = resolve(named, namespaces, SERVED)
    return {each.resource for each in found.resources}, found.problems


def test_names_that_are_served_are_found() -> None:
    """Without a word."""
    assert _names({DEPLOYMENTS, NODES}) == ({DEPLOYMENTS, NODES}, [])


def test_a_singular_kind_or_short_name_is_a_problem_that_names_what_was_meant() -> None:
    """And that is resolved, so that it is refused meanwhile."""
    for word in ("deployment", "Deployments", "deploy", "Deployment"):
        resources, [problem] = _names({GroupResource("apps", word)})
        assert resources == {DEPLOYMENTS}
        assert 'did you mean deployments in group "apps"?' in problem


def test_the_wrong_group_is_a_problem() -> None:
    """Deployments are not in the core group."""
    resources, [problem] = _names({GroupResource("", "deployments")})
    assert resources == {DEPLOYMENTS}
    assert "did you mean" in problem


def test_what_was_meant_is_sought_in_the_same_group_first() -> None:
    """Pods of the core group, not of another."""
    assert _names({GroupResource("", "pod")})[0] == {PODS}
    assert _names({GroupResource("metrics.k8s.io", "pod")})[0] == {METRICS}


def test_an_unknown_name_is_a_problem() -> None:
    """Nothing is guessed."""
    resources, [problem] = _names({GroupResource("apps", "gadgets"), PODS})
    assert resources == {PODS}
    assert problem.startswith("gadgets.apps is not a resource")


def test_wildcards_stand_for_all_that_fits() -> None:
    """By group, by name, or both."""
    assert _names({GroupResource("", "*")}) == ({PODS, NODES, NAMESPACES}, [])
    assert _names({GroupResource("*", "pods")}) == ({PODS, METRICS}, [])
    assert _names({GroupResource("*", "*")}) == (set(SERVED), [])


def test_a_wildcard_that_stands_for_nothing_is_a_problem() -> None:
    """A group that is misspelt protects nothing, and says so."""
    for pattern in (GroupResource("app", "*"), GroupResource("*", "deployment")):
        resources, [problem] = _names({pattern})
        assert resources == set()
        assert "stands for no resource" in problem


def test_namespaces_cannot_limit_a_cluster_scoped_kind() -> None:
    """Namespaces themselves they can: by their own names."""
    assert _names({NODES}, namespaces=True)[1] != []
    assert _names({NAMESPACES, PODS}, namespaces=True)[1] == []


def test_a_wildcard_stands_for_no_mere_question() -> None:
    """What cannot be listed, watched and deleted can be neither lost nor followed; by its name it can be named."""
    secrets, bindings = GroupResource("", "secrets"), GroupResource("", "bindings")
    served = Catalogue(
        {
            each: Served(ResolvedResource(each, "v1", True, custom=False), frozenset(), kept=each == secrets)
            for each in (secrets, bindings)
        }
    )
    for pattern in (GroupResource("", "*"), GroupResource("*", "*")):
        assert [each.resource for each in resolve([pattern], False, served).resources] == [secrets]
    assert resolve([GroupResource("*", "bindings")], False, served).problems
    assert [each.resource for each in resolve([bindings], False, served).resources] == [bindings]


def test_what_was_served_is_kept_when_it_is_not_any_more() -> None:
    """By its own name always; by a wildcard while its definition is there, whose end was its objects' end."""
    widgets = ResolvedResource(GroupResource("example.com", "widgets"), "v1", namespaced=True, custom=True)
    before = {widgets.resource: widgets, PODS: SERVED[PODS].resolved}
    there = Catalogue(SERVED)
    there.definitions = frozenset({"widgets.example.com"})
    any_of_it = GroupResource("example.com", "*")
    for served, name, presence in (
        (there, widgets.resource, Presence.UNSERVED),
        (there, any_of_it, Presence.UNSERVED),
        (SERVED, widgets.resource, Presence.UNDEFINED),
    ):
        found = resolve([name], False, served, before)
        assert (found.resources, found.problems) == ([replace(widgets, presence=presence)], [])
    assert resolve([any_of_it], False, SERVED, before).problems
    assert resolve([PODS], False, SERVED, before).resources == [SERVED[PODS].resolved]
    assert resolve([widgets.resource], False, there).problems


INGRESSES = GroupResource("networking.k8s.io", "ingresses")


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator may wait longer than a review."""
    monkeypatch.setattr(serving, "MOST_SECONDS", 10.0)


def _version(version: str, scope: str) -> dict[str, Any]:
    resource = {"resource": "ingresses", "responseKind": {"kind": "Ingress"}, "scope": scope, "verbs": ["delete"]}
    return {"version": version, "resources": [resource]}


def _serving(services: Any, *definitions: str) -> serving.Served:
    versions = [_version("v9", "Cluster"), _version("v1", "Namespaced")]
    return serving.Served(
        {
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {
                "metadata": {},
                "items": [{"metadata": {"name": name}} for name in definitions],
            },
            "/apis/apiregistration.k8s.io/v1/apiservices": services,
            "/api": {"items": []},
            "/apis": {"items": [{"metadata": {"name": "networking.k8s.io"}, "versions": versions}]},
        }
    )


def _services(**managed: str) -> dict[str, Any]:
    label = "kube-aggregator.kubernetes.io/automanaged"
    items = [
        {"metadata": {"name": f"{version}.networking.k8s.io", "labels": {label: how}}}
        for version, how in managed.items()
    ]
    return {"metadata": {}, "items": items}


@pytest.mark.usefixtures("_patient")
def test_a_definition_puts_no_version_of_its_own_before_a_built_in_one() -> None:
    """Whatever the API server prefers: what it serves by itself is what the name stands for, in its own scope."""
    found = catalogue(_serving(_services(v1="onstart", v9="true"), "ingresses.networking.k8s.io"))[INGRESSES].resolved
    assert (found.version, found.namespaced, found.custom) == ("v1", True, False)


@pytest.mark.usefixtures("_patient")
def test_a_definition_puts_no_version_of_its_own_before_another_servers() -> None:
    """Whose APIService nothing keeps but whoever made it."""
    services = _services(v1="", v9="true")
    services["items"][0]["metadata"]["labels"] = None
    found = catalogue(_serving(services, "ingresses.networking.k8s.io"))[INGRESSES].resolved
    assert (found.version, found.namespaced, found.custom) == ("v1", True, False)


@pytest.mark.usefixtures("_patient")
def test_of_a_definitions_own_versions_the_preferred_one_counts() -> None:
    """Nothing of it is built in."""
    found = catalogue(_serving(_services(v1="true", v9="true"), "ingresses.networking.k8s.io"))[INGRESSES].resolved
    assert (found.version, found.custom) == ("v9", True)


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("status", [403, 404])
def test_where_nobody_may_tell_what_is_built_in_the_preferred_version_counts(status: int) -> None:
    """The rest of discovery goes on; another failure is one."""
    assert catalogue(_serving(status))[INGRESSES].resolved.version == "v9"
    with pytest.raises(ApiError):
        catalogue(_serving(503))
