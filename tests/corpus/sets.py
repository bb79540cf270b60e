"""Sets of policies that the corpus compiles to webhook configurations."""

from collections.abc import Iterator
from typing import Any, Final

from tests.corpus.builders import kinds
from tests.corpus.builders.documents import Document, definition, make, policy

_ALL_CLEARED: Final[dict[str, list[str]]] = {
    "groups": [],
    "users": [],
    "serviceAccountNamespaces": [],
    "extraKeys": [],
    "annotations": [],
}
_OWN: Final = [definition(each.kind) for each in kinds.OWN]


def sets() -> Iterator[tuple[str, Document]]:
    """Give each by the name of its file: ``policies``, ``cluster`` with what else is there, and ``options``."""
    for found in (_plain, _resources, _tags, _actions, _everyone, _modes, _several, _invalid, _limits):
        yield from found()


def _set(*policies: Document, cluster: tuple[Document, ...] = (), **options: Any) -> Document:
    return {"policies": list(policies), "cluster": [*_OWN, *cluster], "options": options}


def _plain() -> Iterator[tuple[str, Document]]:
    yield "no-policy", _set()
    yield "deployments", _set(policy("production", "deployments.apps"))
    yield "default", _set(policy("default", "namespaces", "deployments.apps"))
    yield "in-one-namespace", _set(policy("production", "deployments.apps", namespaces=["payments"]))
    yield "in-some-namespaces", _set(policy("production", "namespaces", "deployments.apps", namespaces=["a", "b", "c"]))
    elsewhere = policy("production", "deployments.apps")
    yield (
        "installed-elsewhere",
        _set(elsewhere, namespace="guard", controllers=["system:serviceaccount:argocd:controller"]),
    )
    defaulted = policy(
        "production",
        "deployments.apps",
        mode="Enforce",
        subjects="Agents",
        exempt={"users": []},
        agents={
            "groups": ["seconder.dev:agents"],
            "users": [],
            "serviceAccountNamespaces": ["seconder-agents"],
            "extraKeys": ["seconder.dev/agent"],
            "fieldManagers": [],
            "annotations": ["seconder.dev/agent"],
        },
        namespaces=[],
        actions=["Delete", "ScaleToZero", "RemoveFinalizers", "ChangeOwners"],
        approvals={
            "required": 1,
            "teams": [],
            "maxTTL": "15m",
            "assurance": "Software",
            "bindImpact": True,
            "unknownOperator": "Accept",
        },
        breakGlass={"groups": []},
    )
    yield "with-every-default-written-out", _set(defaulted)


def _resources() -> Iterator[tuple[str, Document]]:
    yield "cluster-scoped", _set(policy("platform", "nodes", "storageclasses.storage.k8s.io"))
    yield "cluster-scoped-and-namespaced", _set(policy("platform", "nodes", "pods", "statefulsets.apps"))
    stacks = policy("stacks", "stacks.example.com", "widgets.widgets.example.com")
    yield "custom-resources", _set(stacks, cluster=(definition("Stack"), definition("Widget")))
    yield "cluster-scoped-custom-resources", _set(policy("cells", "cells.example.com"), cluster=(definition("Cell"),))
    yield "all-of-a-group", _set(policy("apps", "*.apps"))
    yield "one-name-in-all-groups", _set(policy("events", "events.*", "pods"))
    yield "everything", _set(policy("all", "*.*"), cluster=(definition("Stack"),))
    roles = policy("roles", "clusterroles.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io")
    yield "roles", _set(roles)
    yield "definitions", _set(policy("definitions", "customresourcedefinitions.apiextensions.k8s.io"))
    application = make(
        "CustomResourceDefinition",
        "applications.argoproj.io",
        spec={
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": {
                "kind": "Application",
                "listKind": "ApplicationList",
                "plural": "applications",
                "singular": "application",
            },
            "versions": [{"name": "v1alpha1", "served": True, "storage": True}],
        },
    )
    yield "beside-argo-cd", _set(policy("production", "deployments.apps"), cluster=(application,))
    yield (
        "with-argo-cd",
        _set(policy("production", "deployments.apps", "applications.argoproj.io"), cluster=(application,)),
    )


def _tags() -> Iterator[tuple[str, Document]]:
    own = {
        "groups": ["bots"],
        "users": ["deployer", 'x"] || true || "" in ["'],
        "serviceAccountNamespaces": ["bots"],
        "extraKeys": ["bot/id"],
        "fieldManagers": ["bot"],
        "annotations": ["example.com/bot"],
    }
    yield "own-tags", _set(policy("production", "deployments.apps", agents=own))
    yield "groups-alone", _set(policy("production", "deployments.apps", agents=_ALL_CLEARED | {"groups": ["bots"]}))
    managers = policy(
        "production", "deployments.apps", agents=_ALL_CLEARED | {"fieldManagers": ["bot"]}, actions=["ScaleToZero"]
    )
    yield "field-managers-alone", _set(managers)
    odd = {"users": ["a\\'b", "${x}", "\u00e4\u202e", "\U0001f600", "{{.}}"]}
    yield "odd-names", _set(policy("production", "deployments.apps", agents=odd))
    tagged = policy("production", "deployments.apps", agents=_ALL_CLEARED | {"annotations": ["example.com/bot", "bot"]})
    yield "annotations-and-added-controllers", _set(tagged, controllers=["a", "b"])


def _actions() -> Iterator[tuple[str, Document]]:
    for action in ("Delete", "ScaleToZero", "RemoveFinalizers", "ChangeOwners"):
        yield f"{action}-alone", _set(policy("production", "deployments.apps", "namespaces", actions=[action]))


def _everyone() -> Iterator[tuple[str, Document]]:
    yield "everyone", _set(policy("everyone", "deployments.apps", subjects="Everyone"))
    limited = policy(
        "everyone",
        "deployments.apps",
        "nodes",
        subjects="Everyone",
        exempt={"users": ["dana@example.com"]},
        breakGlass={"groups": ["sre"]},
    )
    yield "everyone-but-some", _set(limited)
    here = policy("here", "deployments.apps", "namespaces", subjects="Everyone", namespaces=["payments"])
    yield (
        "everyone-in-one-namespace-and-everywhere",
        _set(here, policy("there", "statefulsets.apps", subjects="Everyone")),
    )
    bots = policy("bots", "pods", mode="Audit", agents={"groups": ["bots"]})
    yield "everyone-beside-agents-of-another-mode", _set(limited, bots)


def _modes() -> Iterator[tuple[str, Document]]:
    yield "audit", _set(policy("watched", "deployments.apps", mode="Audit"))
    yield "audit-everyone", _set(policy("watched", "deployments.apps", mode="Audit", subjects="Everyone"))
    yield "audit-deletions", _set(policy("watched", "deployments.apps", mode="Audit", actions=["Delete"]))
    stacks = policy("watched", "stacks.example.com", "namespaces", mode="Audit")
    yield "audit-custom-resources", _set(stacks, cluster=(definition("Stack"),))


def _several() -> Iterator[tuple[str, Document]]:
    both = policy("everyone", "statefulsets.apps", subjects="Everyone")
    watched = policy("watched", "configmaps", mode="Audit", agents={"groups": ["bots"]})
    yield "agents-everyone-and-audit", _set(policy("agents", "deployments.apps", "namespaces"), both, watched)
    places = [policy(f"p-{number}", "deployments.apps", namespaces=[f"space-{number}"]) for number in range(5)]
    yield "one-policy-a-namespace", _set(*places)
    yield "by-another-order", _set(*reversed(places))


def _invalid() -> Iterator[tuple[str, Document]]:
    yield "misspelt", _set(policy("odd", "deployment.apps", "Pods"))
    yield (
        "misspelt-beside-a-valid-one",
        _set(policy("odd", "gadgets.apps", "nodes"), policy("production", "deployments.apps")),
    )
    yield "namespaces-on-nodes", _set(policy("odd", "nodes", "deployments.apps", namespaces=["payments"]))
    yield "unreadable", _set(policy("odd", "deployments.apps", excepted=[]))
    valid = {"resources": [{"group": "apps", "resources": ["deployments"]}], "subjects": "Everyone"}
    stays = policy("odd", "deployments.apps", subjects="Everyone", excepted=[])
    stays["status"] = {"lastValid": valid}
    yield "unreadable-with-a-last-valid-form", _set(stays)
    yield "no-resources", _set(make("ProtectionPolicy", "odd", generation=1, spec={}))


def _limits() -> Iterator[tuple[str, Document]]:
    groups = [f"gadgets.g-{number:02}.example.com" for number in range(51)]
    yield "very-many-groups", _set(policy("odd", *groups))
    yield "very-many-groups-and-any", _set(policy("odd", *groups), policy("all", "*.*"))
    lists = [{"users": [f"{'x' * 240}-{number}-{at}" for at in range(60)]} for number in range(3)]
    named = [policy(f"p-{number}", "deployments.apps", agents=tags) for number, tags in enumerate(lists)]
    yield "very-many-agents", _set(*named)
