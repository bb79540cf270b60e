"""Judging the past: refused only where it is certain, free only where it is certain, and everything else is said."""

import tracemalloc
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.support.audit import DANA, KIRO, event, line

from seconder.admission.decision import Decision
from seconder.admission.lookups import Account, Lookup, MissingOwners, OwnsGuard, StorageVersion, ViewIsFresh
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import AgentTags, Mode, Policy, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import LOSSES, NAMESPACES, GroupResource, ResolvedResource, Target
from seconder.plugin.auditing import past_requests
from seconder.plugin.auditing.audit_log import Event
from seconder.plugin.auditing.past_requests import Missing
from seconder.plugin.auditing.replaying import _UNTOLD, Judge, Verdict, _least

_DEPLOYMENTS = GroupResource("apps", "deployments")
_RESOLVED = {
    _DEPLOYMENTS: ResolvedResource(_DEPLOYMENTS, "v1", namespaced=True, custom=False, kind="Deployment"),
}
_POLICY = Policy("p", resources=frozenset({_DEPLOYMENTS}), resolved=_RESOLVED)
_UNTAGGED = Policy(
    "p", resources=frozenset({_DEPLOYMENTS}), resolved=_RESOLVED, agents=AgentTags(annotations=frozenset())
)
_AGENTS = {"namespace": "seconder-agents"}
_VIEW = {"kind": "ClusterRole", "name": "view"}
_TAGGED = {"username": "x", "groups": ["seconder.dev:agents"]}
_META = {"name": "checkout", "namespace": "payments", "uid": "u-1"}


def _judged(document: dict[str, Any], *policies: Policy) -> Verdict | None:
    return Judge(policies or (_POLICY,)).judge(msgspec.json.decode(line(document), type=Event))


def _outcome(document: dict[str, Any], *policies: Policy) -> str:
    """Give "free", "refused", or why it is not known."""
    found = _judged(document, *policies)
    if found is None:
        return "free"
    return found.outcome.name if isinstance(found.outcome, Missing) else "refused"


def _object(**more: Any) -> dict[str, Any]:
    metadata = _META | more.pop("metadata", {})
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": metadata, "spec": {"replicas": 3}} | more


def _rule(verb: str, resource: str = "configmaps") -> dict[str, Any]:
    return {"apiGroups": ["", "apps"], "resources": [resource], "verbs": [verb]}


def test_an_agents_deletion_is_refused_at_any_level() -> None:
    """Who it was and what it deleted stand in every event."""
    found = _judged(event())
    assert found is not None
    assert isinstance(found.outcome, Decision)
    assert (found.outcome.reason, found.outcome.policies) == (Reason.APPROVAL_MISSING, ("p",))
    assert found.outcome.principal.agent_name == "kiro"
    assert [target.path for target in found.targets] == ["payments/checkout"]


@pytest.mark.parametrize(
    "changes",
    [
        {"user": {"username": "x", "groups": ["seconder.dev:agents"]}},
        {"user": {"username": "x", "extra": {"seconder.dev/agent": ["kiro"]}}},
        {"user": DANA, "impersonatedUser": KIRO},
        {"user": DANA | {"extra": {"seconder.dev/agent": [""]}}},
    ],
)
def test_an_agent_is_known_by_every_tag(changes: dict[str, Any]) -> None:
    """By the code that the webhook knows it by."""
    assert _outcome(event(**changes)) == "refused"


def test_who_impersonated_somebody_is_not_whom_admission_saw() -> None:
    """An agent that acts as a person is a person to it."""
    assert _outcome(event(user=KIRO, impersonatedUser=DANA), _UNTAGGED) == "free"


def test_a_persons_deletion_depends_on_an_annotation_that_no_log_holds() -> None:
    """Unless the answer was the object itself, or no policy asks for annotations."""
    assert _outcome(event(user=DANA)) == "TAGGED"
    assert _outcome(event(user=DANA), _UNTAGGED) == "free"
    assert _outcome(event(user=DANA, responseObject=_object())) == "free"
    tagged = _object(metadata={"annotations": {"seconder.dev/agent": "kiro"}})
    assert _outcome(event(user=DANA, responseObject=tagged)) == "refused"


def test_a_policy_for_everyone_hits_people_and_spares_controllers() -> None:
    """The exempt and the control plane's own as ever."""
    policy = Policy(
        "p",
        subjects=Subjects.EVERYONE,
        exempt_users=frozenset({"argo"}),
        agents=AgentTags(annotations=frozenset()),
        resources=frozenset({_DEPLOYMENTS}),
        resolved=_RESOLVED,
    )
    assert _outcome(event(user=DANA), policy) == "refused"
    assert _outcome(event(user={"username": "argo"}), policy) == "free"
    assert _outcome(event(user={"username": min(BUILTIN_CONTROLLERS)}), policy) == "free"


def test_a_policy_that_only_watches_is_judged_as_if_it_refused() -> None:
    """That is what one wants to know before switching it on."""
    assert _outcome(event(), Policy("p", mode=Mode.AUDIT, resources=frozenset({_DEPLOYMENTS}))) == "refused"


@pytest.mark.parametrize("verb", ["get", "list", "watch", "proxy", "options"])
def test_reads_are_free(verb: str) -> None:
    """Admission is never asked about them."""
    assert _outcome(event(verb)) == "free"


def test_what_no_policy_names_is_free_unless_it_owned_something() -> None:
    """No log tells what an agent's deletion takes along, or leaves to others; nor as whom that would run."""
    assert _outcome(event(resource="configmaps", group="")) == "OWNED"
    orphaned = event(resource="configmaps", group="", requestObject={"propagationPolicy": "Orphan"})
    assert _outcome(orphaned) == "OWNED"
    assert _outcome(event(resource="configmaps", group="", user=DANA)) == "free"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        # Nothing is known but that it was an update.
        ({}, "BODY"),
        # A whole answer tells all but what was before.
        ({"responseObject": _object()}, "ENDED"),
        ({"responseObject": _object(spec={"replicas": 3, "template": {"spec": {}}})}, "RIGHTS"),
        ({"responseObject": _object(spec={"replicas": 0})}, "REPLICAS"),
        ({"responseObject": _object(metadata={"deletionTimestamp": "2026-11-22T12:00:00Z"})}, "FINALIZERS"),
        ({"responseObject": _object(metadata={"ownerReferences": [{"kind": "X", "name": "x", "uid": "x"}]})}, "OWNERS"),
    ],
)
def test_an_update_is_never_guessed(changes: dict[str, Any], outcome: str) -> None:
    """The object as it was before is in no audit log."""
    assert _outcome(event("update", **changes), replace(_POLICY, actions=LOSSES)) == outcome


@pytest.mark.parametrize(
    ("patch", "outcome"),
    [
        ({"metadata": {"labels": {"a": "b"}, "annotations": {"c": None}}}, "free"),
        ({"spec": {"paused": True}}, "CHANGED"),
        ([{"op": "replace", "path": "/metadata/labels", "value": {}}], "CHANGED"),
        ({"metadata": {"finalizers": ["a/b"]}}, "FINALIZERS"),
    ],
)
def test_an_agents_patch_may_have_changed_what_it_names(patch: Any, outcome: str) -> None:
    """What is free whatever it was before is free; of the rest no log tells whether it was so already."""
    widgets = GroupResource("example.com", "widgets")
    resolved = {widgets: ResolvedResource(widgets, "v1", namespaced=True, custom=True, kind="Widget")}
    unmarked = AgentTags(annotations=frozenset())
    policy = Policy("p", resources=frozenset({widgets}), resolved=resolved, agents=unmarked)
    document = event("patch", "widgets", "example.com", requestObject=patch)
    assert _outcome(document, policy) == outcome
    assert _outcome(document | {"user": DANA}, policy) == "free"


@pytest.mark.parametrize(
    ("patch", "answer", "outcome"),
    [
        ({"metadata": {"labels": {"a": "b"}}}, None, "free"),
        ({"spec": {"replicas": 0}}, None, "REPLICAS"),
        # Of a kind whose controller nobody knows.
        ({"spec": {"replicas": 2}}, None, "ENDED"),
        ([{"op": "replace", "path": "/spec/replicas", "value": 0}], None, "REPLICAS"),
        ({"metadata": {"finalizers": None}}, None, "FINALIZERS"),
        ([{"op": "replace", "path": "/metadata", "value": {}}], None, "FINALIZERS"),
        ({"metadata": {"ownerReferences": [{}]}}, None, "OWNERS"),
        # It names nothing, and so zero it was before.
        ({"metadata": {"labels": {"a": "b"}}}, _object(spec={"replicas": 0}), "free"),
        ({"spec": {"replicas": 0}}, _object(spec={"replicas": 0}), "REPLICAS"),
        # An apply takes away what it leaves out.
        ({"kind": "Deployment", "metadata": {}}, None, "FINALIZERS"),
    ],
)
def test_a_patch_changes_what_it_names(patch: Any, answer: Any, outcome: str) -> None:
    """Of a kind whose pods are not looked at: a policy's own resource."""
    widgets = GroupResource("example.com", "widgets")
    resolved = {widgets: ResolvedResource(widgets, "v1", namespaced=True, custom=True, kind="Widget")}
    policy = Policy("p", resources=frozenset({widgets}), resolved=resolved, actions=LOSSES)
    document = event("patch", "widgets", "example.com", requestObject=patch, responseObject=answer)
    assert _outcome(document, policy) == outcome


@pytest.mark.parametrize(
    ("resource", "group", "subresource", "patch"),
    [
        ("jobs", "batch", "status", {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}),
        ("nodes", "", "", {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}),
        ("pods", "", "status", {"status": {"containerStatuses": [{"name": "a", "ready": False}]}}),
        ("services", "", "", {"spec": {"ports": [{"port": 1}]}}),
        ("ingresses", "networking.k8s.io", "", {"spec": {"rules": [{"host": "a"}]}}),
    ],
)
def test_what_a_patch_holds_in_lists_is_supposed_in_its_own_shape(
    resource: str, group: str, subresource: str, patch: Any
) -> None:
    """A rule that reads the elements of a list finds elements, and the replay goes on."""
    document = event("patch", resource, group, ref={"subresource": subresource}, requestObject=patch)
    assert _outcome(document) in {"free", *Missing.__members__} - {"UNREADABLE"}


@pytest.mark.parametrize("value", ["x", 7, [], ["x"], [7], [[]], {}, {"x": "y"}, None])
def test_no_shape_of_a_field_makes_it_stumble(value: Any) -> None:
    """Of what failed, a log holds what no API server would take."""
    claims = _policy("", "persistentvolumeclaims", "PersistentVolumeClaim")
    for subresource, field in (("", "spec"), ("status", "status"), ("", "data")):
        for kind, group in (("persistentvolumes", ""), ("jobs", "batch"), ("pods", ""), ("deployments", "apps")):
            for body in ({field: value}, {field: {"conditions": value, "template": value, "tolerations": value}}):
                for verb in ("create", "update", "patch"):
                    document = event(verb, kind, group, ref={"subresource": subresource}, requestObject=body)
                    assert _outcome(document, _POLICY, claims) in {"free", "refused", *Missing.__members__}


def test_a_patch_that_is_spelt_with_escapes_may_name_anything() -> None:
    """A field's name spelt so is the same to the API server."""
    raw = line(event("patch", ref={"subresource": "scale"}, requestObject={"X": 1}))
    raw = raw.replace(b'{"X":1}', b'{"spec":{"repl\\u0069cas":0}}')
    found = Judge([_POLICY]).judge(msgspec.json.decode(raw, type=Event))
    assert found is not None
    assert found.outcome is Missing.REPLICAS


def test_the_scale_subresource_carries_no_annotations() -> None:
    """So a person who scales to nothing is free, and an agent may not have been."""
    scale: dict[str, Any] = {"ref": {"subresource": "scale"}, "requestObject": {"spec": {"replicas": 0}}}
    assert _outcome(event("patch", user=DANA, **scale)) == "free"
    assert _outcome(event("patch", **scale)) == "REPLICAS"
    up: dict[str, Any] = scale | {"requestObject": {"spec": {"replicas": 3}}}
    assert _outcome(event("patch", **up)) == "free"


def test_a_namespace_is_refused_for_what_it_held_if_it_did() -> None:
    """What a namespace held is in no log; that it is named is."""
    gone = event(resource="namespaces", group="", ref={"name": "payments"})
    assert _outcome(gone) == "CONTENTS"
    named = Policy("n", resources=frozenset({NAMESPACES}))
    assert _outcome(gone, named) == "refused"
    assert _outcome(event(resource="namespaces", group="", ref={"name": "x", "namespace": "x"}), named) == "refused"


def test_a_namespace_that_was_approved_then_is_judged_without_its_approval() -> None:
    """Whose key that was, and what went along, is in no log."""
    stored = {"metadata": {"name": "payments", "annotations": {"approval.seconder.dev/alice": "{}"}}}
    gone = event(resource="namespaces", group="", ref={"name": "payments"}, responseObject=stored)
    assert _outcome(gone) == "CONTENTS"
    assert _outcome(gone, Policy("n", resources=frozenset({NAMESPACES}))) == "refused"


def _policy(group: str, plural: str, kind: str, **more: Any) -> Policy:
    name = GroupResource(group, plural)
    resolved = {name: ResolvedResource(name, "v1", namespaced=True, custom=False, kind=kind)}
    return Policy("p", resources=frozenset({name}), resolved=resolved, **more)


def test_an_eviction_is_judged_as_the_pods_deletion() -> None:
    """Whose tag the pod carried is in no log, nor what it owned; that it was evicted is."""
    eviction: dict[str, Any] = {"resource": "pods", "group": "", "ref": {"subresource": "eviction"}}
    pods = _policy("", "pods", "Pod")
    assert _outcome(event("create", **eviction), pods) == "refused"
    assert _outcome(event("create", **eviction, user=DANA), pods) == "TAGGED"
    assert _outcome(event("create", **eviction)) == "OWNED"
    assert _outcome(event("create", **eviction, user=DANA)) == "free"


def test_a_replica_set_is_refused_for_the_deployment_that_controls_it() -> None:
    """Where the log tells whose it was."""
    gone = event(resource="replicasets", ref={"name": "checkout-5d"})
    assert _outcome(gone) == "MAKER"
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "d-1", "controller": True}
    stored = _object(kind="ReplicaSet", metadata={"name": "checkout-5d", "ownerReferences": [owner]})
    found = _judged(gone | {"responseObject": stored})
    assert found is not None
    assert isinstance(found.outcome, Decision)
    assert [(target.path, target.uid) for target in found.targets] == [("payments/checkout", "d-1")]


@pytest.mark.parametrize(
    ("user", "policy", "body", "outcome"),
    [
        (KIRO, _POLICY, None, "BODY"),
        (KIRO, _POLICY, 2, "ENDED"),
        (KIRO, _POLICY, 0, "REPLICAS"),
        (DANA, _UNTAGGED, 0, "free"),
        (DANA, _policy("apps", "deployments", "Deployment", subjects=Subjects.EVERYONE), None, "free"),
        (DANA, _policy("apps", "deployments", "Deployment", subjects=Subjects.EVERYONE), 0, "free"),
    ],
)
def test_an_autoscaler_may_be_what_leaves_no_replicas(
    user: dict[str, Any], policy: Policy, body: int | None, outcome: str
) -> None:
    """Unless it went to nothing before."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    written = None if body is None else {"metadata": _META, "spec": {"minReplicas": body, "scaleTargetRef": target}}
    document = event("update", "horizontalpodautoscalers", "autoscaling", user=user, requestObject=written)
    assert _outcome(document | {"responseObject": written}, policy) == outcome


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        (event("patch", "pods", "", ref={"subresource": "ephemeralcontainers"}), "BODY"),
        (event("patch", "pods", "", ref={"subresource": "ephemeralcontainers"}, responseObject=_object()), "RIGHTS"),
        (event("create", "pods", "", ref={"subresource": "binding"}), "free"),
        # As itself an agent may run pods, but not enter another agent's. What would take them is in no log.
        (event("create", "pods", "", ref=_AGENTS, requestObject={"spec": {"serviceAccountName": "kiro"}}), "OWNED"),
        (event("create", "pods", "", ref=_AGENTS | {"subresource": "exec"}), "RIGHTS"),
        (event("create", "pods", "", ref=_AGENTS | {"subresource": "exec"}, user=_TAGGED), "refused"),
    ],
)
def test_as_whom_a_pod_runs_is_told_where_the_log_does(document: dict[str, Any], outcome: str) -> None:
    """What a ServiceAccount may do is in no log; whose it is may be."""
    assert _outcome(document) == outcome


@pytest.mark.parametrize(
    ("resource", "body", "outcome"),
    [
        # What owned protected objects is in no log: to delete anything may be to delete what it owned.
        ("roles", {"rules": [_rule("get")]}, "free"),
        ("roles", {"rules": [_rule("delete")]}, "RIGHTS"),
        ("roles", {"rules": [_rule("delete", "deployments")]}, "refused"),
        ("rolebindings", {"roleRef": _VIEW, "subjects": [{"kind": "User", "name": "x"}]}, "RIGHTS"),
        ("rolebindings", {"roleRef": _VIEW, "subjects": []}, "free"),
        ("rolebindings", {"roleRef": _VIEW | {"name": "seconder-approver"}, "subjects": []}, "refused"),
    ],
)
def test_what_a_role_gives_away_is_told_where_the_log_does(resource: str, body: dict[str, Any], outcome: str) -> None:
    """The rules of a role that is bound are not in the log of its binding."""
    document = event("create", resource, "rbac.authorization.k8s.io", requestObject={"metadata": _META} | body)
    assert _outcome(document) == outcome


def test_an_owner_that_an_agent_added_needs_approval_whichever_it_was() -> None:
    """One that is protected itself, too. People add owners all day, and these are taken to exist."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "d-1"}
    owned = _object(metadata={"ownerReferences": [reference]})
    assert _outcome(event("update", responseObject=owned)) == "OWNERS"
    assert _outcome(event("update", responseObject=owned, user=DANA)) == "free"


@pytest.mark.parametrize("lookup", Lookup.__subclasses__())
def test_every_look_up_has_its_least_answer(lookup: type[Lookup[Any]]) -> None:
    """Or a rule that comes to ask it would end the replay; and what an answer decides is not passed over in silence."""
    target = Target(_DEPLOYMENTS, "Deployment", "payments", "checkout", "u-1")
    request = Request(
        uid="x", operation=Operation.DELETE, target=target, version="v1", subresource="", caller=Caller("x")
    )
    empty = {str: "", frozenset[str]: frozenset(), Account: Account("", "")}
    needed = [field for field in msgspec.structs.fields(lookup) if field.required]
    _least(lookup(**{field.name: empty.get(field.type, ()) for field in needed}), request)
    # A request is taken to ask in the stored version: a log would tell of nothing else, for each custom resource.
    assert (lookup in _UNTOLD) == (lookup not in {ViewIsFresh, MissingOwners, OwnsGuard, StorageVersion})


def test_a_collection_is_judged_object_by_object() -> None:
    """Where the answer lists them; else it is not known what was there."""
    items = [_object(metadata={"name": name, "uid": name}) for name in ("a", "b")]
    whole = event("deletecollection", ref={"name": ""}, responseObject={"kind": "DeploymentList", "items": items})
    found = _judged(whole)
    assert found is not None
    assert isinstance(found.outcome, Decision)
    assert [target.name for target in found.targets] == ["a", "b"]
    assert _outcome(event("deletecollection", ref={"name": ""})) == "OBJECTS"
    nothing = event("deletecollection", ref={"name": ""}, responseObject={"kind": "DeploymentList", "items": []})
    assert _outcome(nothing) == "free"


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        (event("create", "protectionpolicies", "seconder.dev", ref={"namespace": ""}), "refused"),
        (event("create", "serviceaccounts", "", ref=_AGENTS, requestObject={"metadata": {}}), "refused"),
        (event("get", "nodes", "", ref={"namespace": "", "subresource": "proxy"}), "refused"),
        (event("create", "configmaps", ""), "free"),
        (event("create", "secrets", ""), "BODY"),
        (event("create", "secrets", "", requestObject={"metadata": {}, "type": "Opaque"}), "free"),
        (event("create", "pods", "", requestObject={"metadata": {}, "spec": {}}), "RIGHTS"),
        (event("create", "pods", "", ref={"subresource": "exec"}), "RIGHTS"),
        (event("create", "rolebindings", "rbac.authorization.k8s.io"), "BODY"),
    ],
)  # fmt: skip
def test_what_is_always_refused_to_agents_is_told_too(document: dict[str, Any], outcome: str) -> None:
    """It comes with Seconder, whatever the policies are."""
    assert _outcome(document) == outcome


@pytest.mark.parametrize(
    "body", [7, "x", {"metadata": 7}, {"metadata": {"finalizers": 7}}, {"metadata": {"annotations": []}}]
)
@pytest.mark.parametrize("verb", ["delete", "update", "patch", "create", "deletecollection"])
def test_no_body_makes_it_stumble(verb: str, body: Any) -> None:
    """What is not understood is not judged, or does not matter; a deletion by name is refused all the same."""
    outcome = _outcome(event(verb, requestObject=body, responseObject=body))
    assert outcome in {"free", "refused", *Missing.__members__}
    if verb == "delete" and not isinstance(body, dict):
        assert outcome == "refused"


def test_what_failed_anyway_and_what_was_tried_out_are_marked() -> None:
    """By the status; and by the query or the options of a deletion."""
    failed = _judged(event(responseStatus={"code": 403}))
    assert failed is not None
    assert failed.past.event.failed
    query = "/x?dryRun=All"
    for dry in (event(requestURI=query, level="Request"), event(requestObject={"dryRun": ["All"]})):
        found = _judged(dry)
        assert found is not None
        assert (found.past.event.dry_run, found.past.event.failed) == (True, False)


@pytest.mark.parametrize("changes", [{"requestObject": {"kind": "DeleteOptions"}, "level": "Request"}, {}])
def test_a_deletion_is_no_dry_run_by_its_query_where_it_may_have_had_a_body(changes: dict[str, Any]) -> None:
    """The API server reads the body alone then; below level Request the log does not tell."""
    found = _judged(event(requestURI="/x?dryRun=All", **changes))
    assert found is not None
    assert not found.past.event.dry_run


def test_a_query_beside_a_body_orphans_nothing() -> None:
    """Or a deletion of what owns a protected object would be taken for one that leaves it alone."""
    owner: dict[str, Any] = {"resource": "configmaps", "group": "", "requestURI": "/x?propagationPolicy=Orphan"}
    body = {"kind": "DeleteOptions"}
    cases: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        (event(**owner, level="Request"), {"propagationPolicy": "Orphan"}),
        (event(**owner, level="Request", requestObject=body), body),
        (event(**owner), {}),
    )
    for document, counted in cases:
        found = _judged(document)
        assert found is not None
        assert found.past.event.deletion == counted


@pytest.mark.parametrize("uri", ["//[x/y", "//api\u2100/x", "?", "/x?%ff=%", "/x?dryRun"])
@pytest.mark.parametrize("verb", ["delete", "update", "patch", "create", "deletecollection"])
def test_no_address_makes_it_stumble(verb: str, uri: str) -> None:
    """Whatever a client sent."""
    assert _outcome(event(verb, requestURI=uri)) in {"free", "refused", *Missing.__members__}


def test_a_body_that_is_no_text_does_not_make_it_stumble() -> None:
    """The API server logs a patch as it came."""
    for verb in ("delete", "patch", "update", "create", "deletecollection"):
        raw = line(event(verb, requestObject={"a": "XX"})).replace(b"XX", b"\xff\xfe")
        Judge((_POLICY,)).judge(msgspec.json.decode(raw, type=Event))


def test_memory_does_not_grow_with_the_resources_that_are_asked_for() -> None:
    """Anybody may ask for any that does not exist, under names as long as an address may be."""
    judge = Judge((_POLICY,))
    log = [
        msgspec.json.decode(line(event(resource=f"r{number}" * 1000, user=DANA)), type=Event) for number in range(500)
    ]
    tracemalloc.start()
    try:
        for each in log:
            judge.judge(each)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


def test_what_the_webhook_could_not_decide_is_not_taken_for_free() -> None:
    """A policy that nobody has looked up yet refuses the end of a namespace until somebody has."""
    new = Policy("n", resources=frozenset({_DEPLOYMENTS}), resolution_current=False)
    assert _outcome(event(resource="namespaces", group="", ref={"name": "payments"}), new) == "UNDECIDED"


@pytest.mark.parametrize("verb", ["create", "update"])
@pytest.mark.parametrize("user", [KIRO, DANA], ids=["agent", "person"])
@pytest.mark.parametrize(
    "resource",
    [("apps", "deployments"), ("apps", "statefulsets"), ("", "configmaps"), ("", "namespaces"), ("batch", "jobs")],
    ids=str,
)
def test_what_no_rule_reads_of_an_object_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, resource: tuple[str, str], user: dict[str, Any], verb: str
) -> None:
    """It is left out to save memory: with it the outcome is the same."""
    policy = Policy("p", resources=frozenset({GroupResource(*resource)}), resolved=dict(_RESOLVED))
    contents = {
        "data": {"a": "b"},
        "status": {"phase": "Active"},
        "spec": {"replicas": 0, "finalizers": ["kubernetes"], "template": {"spec": {"serviceAccountName": "x"}}},
    }
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "o"}
    outcomes: list[list[str]] = [[], []]
    for told, kept in zip(outcomes, (past_requests._without_contents, dict), strict=True):
        monkeypatch.setattr(past_requests, "_without_contents", kept)
        for metadata in ({}, {"deletionTimestamp": "2026-11-22T12:00:00Z"}, {"ownerReferences": [owner]}):
            body = _object(metadata={**metadata, "managedFields": [{"manager": "m"}]}, **contents)
            bodies = {"level": "RequestResponse", "requestObject": body, "responseObject": body}
            document = event(verb, resource[1], resource[0], user=user, **bodies)
            told.append(_outcome(document, policy))
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) != {"UNREADABLE"}
