"""Rights that agents give away: by roles that they write, and by bindings."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    Document,
    binding,
    changed,
    cluster_role,
    config_map,
    definition,
    deployment,
    make,
    owner,
    policy,
    role,
    rule,
    subject,
)
from tests.corpus.builders.reviews import AGENT, PERSON, create, delete, update, user
from tests.corpus.builders.scene import AUDIT, DEPLOYMENTS, Expected, case

REFUSED = "ProtectedConfiguration"
FREE = "NotCovered"
UNKNOWN = "InternalError"
ERIN = subject("ServiceAccount", "erin", "payments")
PERSONS = subject("User", "erin@example.com")
READS = rule("get list watch", "deployments.apps", "pods")
DELETES = rule("delete", "deployments.apps")
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _past_any_guard()
    yield from _means()
    yield from _roles()
    yield from _by_policies()
    yield from _bindings()
    yield from _bindings_of()
    yield from _subjects()
    yield from _of_other_policies()
    yield from _owners()
    yield from _owners_of_other_kinds()
    yield from _not_known()
    yield from _out_of_date()


def bound(*rules: Document, to: Document = ERIN, cluster: bool = True, **given: Any) -> tuple[Document, Document]:
    """Give the review of a binding of a role with these rules, and that role."""
    held = cluster_role("given", *rules)
    return create(binding("given", held, to, cluster=cluster), **given), held


def _past_any_guard() -> Iterator[Expected]:
    anybody = (
        rule("bind", "clusterroles.rbac.authorization.k8s.io"),
        rule("escalate", "roles.rbac.authorization.k8s.io"),
        rule("impersonate", "users"),
        rule("impersonate", "groups"),
        rule("impersonate", "serviceaccounts"),
        rule("impersonate", "userextras.authentication.k8s.io/scopes"),
        rule("impersonate-on:user-info:delete", "users.authentication.k8s.io"),
        rule("bind", "widgets.example.com"),
        rule("update", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
        rule("create", "apiservices.apiregistration.k8s.io"),
        rule("approve", "signers.certificates.k8s.io"),
        rule("update", "certificatesigningrequests.certificates.k8s.io/approval"),
        rule("create", "serviceaccounts/token"),
        rule("create", "*/token"),
        rule("get", "nodes/proxy"),
        rule("*", "*"),
        rule("*", "*.*"),
    )
    agents = subject("ServiceAccount", "kiro", "seconder-agents")
    for each in anybody:
        spelled = f"{' '.join(each['verbs'])} {', '.join(each['resources'])} of {each['apiGroups']}"
        yield case(f"to an agent: {spelled}", REFUSED, *bound(each, to=agents))


def _means() -> Iterator[Expected]:
    agents = subject("ServiceAccount", "kiro", "seconder-agents")
    strangers = (
        rule("create", "approvers.seconder.dev"),
        rule("delete", "customresourcedefinitions.apiextensions.k8s.io"),
        rule("patch", "horizontalpodautoscalers.autoscaling"),
        rule("create", "secrets"),
        rule("get", "secrets"),
        rule("create", "pods/eviction"),
        rule("patch", "pods/ephemeralcontainers"),
        rule("get", "pods/exec"),
        rule("create", "services/proxy"),
        rule("create", "*/attach"),
        rule("create", "pods"),
        rule("create", "daemonsets.apps"),
        rule("patch", "cronjobs.batch"),
        rule("create", "*.batch"),
        rule("delete", "namespaces"),
        rule("update", "namespaces/status"),
        rule("delete", "configmaps"),
        rule("create", "nodes"),
        rule("patch", "leases.coordination.k8s.io"),
        rule("create", "ciliumclusterwidenetworkpolicies.cilium.io"),
    )
    for each in strangers:
        spelled = f"{' '.join(each['verbs'])} {', '.join(each['resources'])} of {each['apiGroups']}"
        yield case(f"to a workload: {spelled}", REFUSED, *bound(each))
    for each in strangers[:3]:
        spelled = f"{' '.join(each['verbs'])} {', '.join(each['resources'])} of {each['apiGroups']}"
        yield case(f"to an agent, who is guarded: {spelled}", FREE, *bound(each, to=agents))
    for each in (
        READS,
        rule("create", "events"),
        rule("delete", "widgets.example.com"),
        rule("list", "namespaces"),
    ):
        spelled = f"{' '.join(each['verbs'])} {', '.join(each['resources'])} of {each['apiGroups']}"
        yield case(f"to a workload, harmless: {spelled}", FREE, *bound(each))


def _roles() -> Iterator[Expected]:
    wide, narrow = cluster_role("given", READS, DELETES), cluster_role("given", READS)
    yield case("an agent makes a role to delete what is protected", REFUSED, create(wide), DEPLOYMENTS)
    yield case("an agent makes a role to read", FREE, create(narrow), DEPLOYMENTS)
    yield case("a person makes a role to delete what is protected", FREE, create(wide, PERSON), DEPLOYMENTS)
    loses = cluster_role("given", rule("delete", "widgets.example.com"))
    yield case("an agent makes a role to delete what nothing protects", FREE, create(loses), DEPLOYMENTS)
    yield case("an agent makes a role to delete the guard's Deployments among others", REFUSED, create(wide))
    yield case("an agent adds the right to delete to a role", REFUSED, update(narrow, wide), DEPLOYMENTS)
    yield case("an agent takes the right to delete from a role", REFUSED, update(wide, narrow), DEPLOYMENTS)
    yield case(
        "an agent leaves the rules of a role as they are",
        FREE,
        update(wide, changed(wide, annotations={"a": "b"})),
        DEPLOYMENTS,
    )
    labelled = changed(wide, labels={"rbac.authorization.k8s.io/aggregate-to-view": "true"})
    yield case("an agent labels a role, so that others gather its rules", REFUSED, update(wide, labelled), DEPLOYMENTS)
    yield case("a person takes the right to delete from a role", FREE, update(wide, narrow, PERSON), DEPLOYMENTS)
    yield case("an agent deletes a role", REFUSED, delete(wide), DEPLOYMENTS)
    yield case("an agent deletes a role to read", FREE, delete(narrow), DEPLOYMENTS)
    gathering = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    gathers = cluster_role("given", aggregationRule=gathering, rules=None)
    yield case("an agent makes a role that gathers others", REFUSED, create(gathers))
    yield case("an agent lets a role gather others", REFUSED, update(cluster_role("given"), gathers))
    yield case(
        "an agent leaves how a role gathers as it is", FREE, update(gathers, changed(gathers, labels={"a": "b"}))
    )
    yield case("an agent makes a role without rules", FREE, create(cluster_role("given", rules=None)), DEPLOYMENTS)
    for each in (
        rule("patch", "deployments.apps/scale"),
        rule("deletecollection", "*.apps"),
        rule("update", "deployments.*"),
        rule("delete", "deployments.apps", names=("checkout",)),
    ):
        yield case(f"a role with {each}", REFUSED, create(role("given", each)), DEPLOYMENTS)
    here = policy("production", "deployments.apps", namespaces=["payments"])
    yield case("a Role where the policy looks", REFUSED, create(role("given", DELETES)), here)
    elsewhere = policy("production", "deployments.apps", namespaces=["elsewhere"])
    yield case("a Role where the policy does not look", FREE, create(role("given", DELETES)), elsewhere)


def _by_policies() -> Iterator[Expected]:
    wide, narrow = cluster_role("given", READS, DELETES), cluster_role("given", READS)
    elsewhere = policy("production", "deployments.apps", namespaces=["elsewhere"])
    yield case("a ClusterRole, which may be bound anywhere", REFUSED, create(wide), elsewhere)
    watched = policy("production", "deployments.apps", mode="Audit")
    yield case("a role to delete the guard's Deployments, whatever Audit watches", REFUSED, create(wide), watched)
    yield case("a Role to delete what Audit watches", FREE, create(role("given", DELETES)), watched)
    yield case("a role is none of Audit's business", FREE, create(wide), watched, path=AUDIT)
    for named in ("*.apps", "deployments.*", "*.*"):
        yield case(
            f"a role to delete Deployments under a policy on {named}",
            REFUSED,
            create(wide),
            policy("production", named),
        )
    yield case(
        "a role to delete ConfigMaps under a policy on *.apps",
        FREE,
        create(role("given", rule("delete", "configmaps"))),
        policy("production", "*.apps"),
    )
    others = create(role("given", rule("delete", "statefulsets.apps")))
    yield case(
        "a role to delete StatefulSets under a policy on deployments.*",
        FREE,
        others,
        policy("production", "deployments.*"),
    )
    yield case(
        "a role without any rule of loss under a policy on *.*", FREE, create(narrow), policy("production", "*.*")
    )
    many = [rule("get", "pods", names=(f"pod-{number}",)) | {"verbs": [f"get-{number}"]} for number in range(257)]
    yield case("a role of as many rules as are judged", FREE, create(role("given", *many[1:])))
    yield case("a role of very many rules", REFUSED, create(role("given", *many)))
    fewer = {"apiGroups": ["example.com"], "resources": [f"r-{number}" for number in range(4094)], "verbs": ["get"]}
    yield case("a role of as many names as are judged", FREE, create(role("given", fewer)))
    more = fewer | {"verbs": ["get", "list"]}
    yield case("a role of very many names", REFUSED, create(role("given", more)))


def _bindings() -> Iterator[Expected]:
    reads, deletes = cluster_role("given", READS), cluster_role("given", DELETES)
    yield case("an agent binds a role to delete to a workload", REFUSED, *bound(DELETES), DEPLOYMENTS)
    yield case("an agent binds a role to read to a workload", FREE, *bound(READS), DEPLOYMENTS)
    yield case("an agent binds a role to read to a person", FREE, *bound(READS, to=PERSONS), DEPLOYMENTS)
    everybody = subject("Group", "system:unauthenticated")
    yield case("an agent binds a role to read to everybody", REFUSED, *bound(READS, to=everybody), DEPLOYMENTS)
    yield case("a person binds a role to delete", FREE, *bound(DELETES, by=PERSON), DEPLOYMENTS)
    yield case("an agent binds it in one namespace", REFUSED, *bound(DELETES, cluster=False), DEPLOYMENTS)
    elsewhere = policy("production", "deployments.apps", namespaces=["elsewhere"])
    yield case("an agent binds it where the policy does not look", FREE, *bound(DELETES, cluster=False), elsewhere)
    local = role("given", DELETES)
    yield case(
        "an agent binds a Role of the namespace", REFUSED, create(binding("given", local, ERIN)), DEPLOYMENTS, local
    )
    yield case(
        "an agent binds a Role that is not there", UNKNOWN, create(binding("given", local, ERIN)), DEPLOYMENTS, deletes
    )
    yield case(
        "an agent binds a ClusterRole that is not there",
        UNKNOWN,
        create(binding("given", reads, ERIN, cluster=True)),
        DEPLOYMENTS,
    )
    before = binding("given", deletes, ERIN, cluster=True)
    more = changed(before, subjects=[ERIN, subject("ServiceAccount", "frank", "payments")])
    yield case("an agent adds a subject to a binding", REFUSED, update(before, more), DEPLOYMENTS, deletes)
    yield case("an agent takes a subject from a binding", REFUSED, update(more, before), DEPLOYMENTS, deletes)
    yield case(
        "an agent labels a binding", FREE, update(before, changed(before, labels={"a": "b"})), DEPLOYMENTS, deletes
    )
    unread = {"path": f"{ROLES}/given", "status": 503}
    labelled = update(before, changed(before, labels={"a": "b"}))
    yield case("an agent labels a binding of a role that cannot be read", FREE, labelled, DEPLOYMENTS, faults=[unread])
    yield case("an agent deletes a binding", REFUSED, delete(before), DEPLOYMENTS, deletes)
    yield case("an agent deletes a binding of a role that is not there", FREE, delete(before), DEPLOYMENTS)
    reading = binding("given", reads, ERIN, cluster=True)
    yield case("an agent deletes a binding of a role that only reads", FREE, delete(reading), DEPLOYMENTS, reads)


def _bindings_of() -> Iterator[Expected]:
    deletes = cluster_role("given", DELETES)
    yield case(
        "an agent makes a binding for nobody",
        FREE,
        create(binding("given", deletes, cluster=True, subjects=None)),
        DEPLOYMENTS,
        deletes,
    )
    ours = cluster_role("seconder-approver", READS)
    bound_ours = binding("people", ours, ERIN, cluster=True)
    yield case("an agent binds a role of the guard's", REFUSED, create(bound_ours), ours)
    yield case("an agent deletes a binding of a role of the guard's", REFUSED, delete(bound_ours), ours)
    local_ours = role("seconder-approver", READS)
    yield case(
        "an agent binds a Role that is called like the guard's",
        FREE,
        create(binding("people", local_ours, ERIN)),
        local_ours,
    )
    empty = changed(deletes, rules=None)
    yield case(
        "an agent binds a role without rules",
        FREE,
        create(binding("given", deletes, ERIN, cluster=True)),
        DEPLOYMENTS,
        empty,
    )
    spelled = cluster_role("system:a:b", READS)
    yield case(
        "an agent binds a role with colons in its name",
        FREE,
        create(binding("given", spelled, ERIN, cluster=True)),
        DEPLOYMENTS,
        spelled,
    )


def _subjects() -> Iterator[Expected]:
    whom = {
        "an agent's ServiceAccount": (FREE, subject("ServiceAccount", "kiro", "seconder-agents")),
        "a ServiceAccount elsewhere": (REFUSED, subject("ServiceAccount", "kiro", "payments")),
        "the agents' group": (FREE, subject("Group", "seconder.dev:agents")),
        "the group of the agents' ServiceAccounts": (FREE, subject("Group", "system:serviceaccounts:seconder-agents")),
        "the group of all ServiceAccounts": (REFUSED, subject("Group", "system:serviceaccounts")),
        "the group of another namespace's ServiceAccounts": (
            REFUSED,
            subject("Group", "system:serviceaccounts:payments"),
        ),
        "a group that is called like the agents' namespace": (REFUSED, subject("Group", "seconder-agents")),
        "everybody": (REFUSED, subject("Group", "system:authenticated")),
        "an agent's user name": (FREE, subject("User", AGENT["username"])),
        "a subject of an unknown kind": (REFUSED, {"kind": "Robot", "apiGroup": "x", "name": "erin"}),
    }
    for what, (reason, to) in whom.items():
        yield case(f"a role to delete is bound to {what}", reason, *bound(DELETES, to=to), DEPLOYMENTS)
    other = policy("bots", "statefulsets.apps", agents={"groups": ["bots"], "users": ["deployer"]})
    to_bots = subject("Group", "bots")
    yield case(
        "an agent of the defaults gives to one of another policy",
        REFUSED,
        *bound(DELETES, to=to_bots),
        DEPLOYMENTS,
        other,
    )


def _of_other_policies() -> Iterator[Expected]:
    other = policy("bots", "statefulsets.apps", agents={"groups": ["bots"], "users": ["deployer"]})
    to_bots = subject("Group", "bots")
    yield case(
        "an agent of another policy gives what that one names",
        FREE,
        *bound(rule("delete", "statefulsets.apps"), to=to_bots),
        DEPLOYMENTS,
        other,
    )
    by = user("deployer")
    yield case(
        "an agent of another policy gives what it is free to delete",
        FREE,
        *bound(DELETES, to=to_bots, by=by),
        DEPLOYMENTS,
        other,
    )
    own = policy("own", "daemonsets.apps", agents={"groups": ["bots"], "serviceAccountNamespaces": []})
    yield case(
        "an agent gives what binds itself to one whom it does not bind",
        REFUSED,
        *bound(rule("delete", "daemonsets.apps"), to=subject("Group", "seconder.dev:agents"), by=user("x", "bots")),
        own,
    )
    broken = changed(DEPLOYMENTS, spec={"resources": DEPLOYMENTS["spec"]["resources"], "agents": {"groups": "bots"}})
    yield case(
        "under an invalid policy the defaults count",
        FREE,
        *bound(DELETES, to=subject("Group", "seconder.dev:agents")),
        broken,
    )
    yield case("under an invalid policy a person is a stranger", REFUSED, *bound(DELETES), broken)


def _owners() -> Iterator[Expected]:
    stack = make("Stack", "app", spec={})
    owned = deployment(ownerReferences=[owner(stack)])
    known = definition("Stack")
    deletes = rule("delete", "stacks.example.com")
    yield case(
        "a right to delete what owns something protected", REFUSED, *bound(deletes), DEPLOYMENTS, known, stack, owned
    )
    yield case(
        "the same, in the namespace of what is owned",
        REFUSED,
        *bound(deletes, cluster=False),
        DEPLOYMENTS,
        known,
        stack,
        owned,
    )
    away = deployment(namespace="staging", ownerReferences=[owner(stack)])
    yield case(
        "the same, in a namespace where it owns nothing",
        FREE,
        *bound(deletes, cluster=False),
        DEPLOYMENTS,
        known,
        stack,
        away,
    )
    yield case(
        "the same, to an agent",
        FREE,
        *bound(deletes, to=subject("Group", "seconder.dev:agents")),
        DEPLOYMENTS,
        known,
        stack,
        owned,
    )


def _owners_of_other_kinds() -> Iterator[Expected]:
    stack = make("Stack", "app", spec={})
    owned = deployment(ownerReferences=[owner(stack)])
    known = definition("Stack")
    deletes = rule("delete", "stacks.example.com")
    yield case(
        "a right to update what owns something protected",
        REFUSED,
        *bound(rule("update", "stacks.example.com")),
        DEPLOYMENTS,
        known,
        stack,
        owned,
    )
    yield case(
        "an owner of a kind that is not served",
        FREE,
        *bound(deletes),
        DEPLOYMENTS,
        deployment(ownerReferences=[owner(stack)]),
    )
    odd = deployment(ownerReferences=[owner(stack, apiVersion="../v1")])
    yield case("an owner of an apiVersion that cannot be one", FREE, *bound(deletes), DEPLOYMENTS, known, odd)
    cells = policy("cells", "cells.example.com")
    cell = make("Cell", "east", ownerReferences=[owner(config_map("app"))])
    maps = rule("delete", "configmaps")
    yield case(
        "what owns a cluster-scoped object counts everywhere",
        REFUSED,
        *bound(maps, cluster=False),
        cells,
        definition("Cell"),
        cell,
    )
    scaled = policy("production", "deployments.apps", actions=["ScaleToZero"])
    yield case("what owns something that may be deleted", FREE, *bound(deletes), scaled, known, stack, owned)
    made_up = [deployment(f"d-{number}", ownerReferences=[owner(stack, kind=f"K{number}")]) for number in range(33)]
    yield case("more kinds of owners than there are", FREE, *bound(READS), DEPLOYMENTS, known, *made_up)
    yield case(
        "more kinds of owners than there are, and a right that is refused anyway",
        REFUSED,
        *bound(DELETES),
        DEPLOYMENTS,
        known,
        *made_up,
    )


def _not_known() -> Iterator[Expected]:
    for status in (503, 403, 0):
        fault = {"path": f"{ROLES}/given", "status": status}
        yield case(
            f"a role that is bound, whose read gives {status}", UNKNOWN, *bound(READS), DEPLOYMENTS, faults=[fault]
        )
    review, held = bound(READS)
    yield case(
        "a role that is bound, whose rules are none", UNKNOWN, review, held | {"rules": [{"verbs": "get"}]}, DEPLOYMENTS
    )
    for name in ("a/b", "..", "", "a%2fb"):
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        odd = make("ClusterRoleBinding", "given", roleRef=ref, subjects=[ERIN])
        yield case(f"a role whose name is {name!r}", UNKNOWN, create(odd), DEPLOYMENTS)
    lists = {"path": "/apis/apps/v1/deployments", "status": 503}
    yield case("what is given, while who owns what is not known", UNKNOWN, *bound(READS), DEPLOYMENTS, faults=[lists])
    yield case(
        "what is given and refused anyway, while that is not known",
        REFUSED,
        *bound(DELETES),
        DEPLOYMENTS,
        faults=[lists],
    )
    yield case(
        "a role that is written while that is not known",
        UNKNOWN,
        create(role("given", READS)),
        DEPLOYMENTS,
        faults=[lists],
    )


def _out_of_date() -> Iterator[Expected]:
    lists = {"path": "/apis/apps/v1/deployments", "status": 503}
    yield case(
        "nothing is given, while that is not known",
        FREE,
        delete(cluster_role("given", READS)),
        policy("p", "deployments.apps", actions=["ScaleToZero"]),
        faults=[lists],
    )
    served = {"path": "/apis", "status": 503}
    stack = make("Stack", "app", spec={})
    yield case(
        "what an owner's kind is served as cannot be told",
        UNKNOWN,
        *bound(READS),
        DEPLOYMENTS,
        definition("Stack"),
        deployment(ownerReferences=[owner(stack)]),
        faults=[served],
    )
    yield case("what is given, where the view may be out of date", UNKNOWN, *bound(READS), DEPLOYMENTS, fresh=False)
    yield case(
        "a role that is written, where the view may be out of date",
        UNKNOWN,
        create(role("given", READS)),
        DEPLOYMENTS,
        fresh=False,
    )
    yield case(
        "a person gives what they like, where the view may be out of date",
        FREE,
        *bound(READS, by=PERSON),
        DEPLOYMENTS,
        fresh=False,
    )
