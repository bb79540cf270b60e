"""What somebody's next apply takes away on the word of an update that changes none of it."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.builders import CONFIG_MAPS, DEPLOYMENT, PERSON, policy, state, target, update
from tests.support.calls import counted
from tests.support.resolving import decide

from seconder.admission import codec
from seconder.admission.changes import differences, free_changes, free_paths, managed_fields, next_apply
from seconder.admission.changes.free_paths import DROPPED, FreePaths, compiled, without
from seconder.admission.request import Request
from seconder.api import constants
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, SECRETS, Action, GroupResource, Target
from seconder.webhook import run

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
THINGS = GroupResource("example.com", "things")
KAPP = "kapp.k14s.io/original"
FLUX = "kustomize-controller"
SPEC: dict[str, Any] = {
    "replicas": 2,
    "strategy": {"type": "Recreate"},
    "selector": {"matchLabels": {"app": "shop"}},
    "template": {"spec": {"containers": [{"name": "main", "image": "shop:1"}]}},
}
STORED: dict[str, Any] = {
    "spec": SPEC,
    "labels": {"app": "shop"},
    "annotations": {},
    "finalizers": ["example.com/keep"],
}
MANIFEST: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "checkout", "namespace": "payments", "annotations": {}, "labels": {"app": "shop"}},
    "spec": {key: SPEC[key] for key in ("replicas", "selector", "template")},
}


def _manifest(metadata: Any = None, **spec: Any) -> dict[str, Any]:
    return MANIFEST | {"metadata": MANIFEST["metadata"] | (metadata or {}), "spec": MANIFEST["spec"] | spec}


def _applied(before: Any, after: Any, key: str = LAST_APPLIED, **new: Any) -> Request:
    """An update of the annotation from one manifest to another; None: none of it, a string: as it is."""
    states = []
    for told in (before, after):
        value = told if isinstance(told, str) else json.dumps(told)
        states.append({} if told is None else {"annotations": {key: value}})
    return update(old=STORED | states[0], new=STORED | states[1] | new)


def _fields(*paths: str) -> dict[str, Any]:
    """FieldsV1 of some fields, with their steps between spaces."""
    fields: dict[str, Any] = {}
    for path in paths:
        below = fields
        for step in path.split():
            below = below.setdefault(step if ":" in step or step == "." else f"f:{step}", {})
    return fields


def _entry(manager: str, operation: str, *paths: str, **more: Any) -> dict[str, Any]:
    given = {"apiVersion": "apps/v1", "time": "2026-11-22T09:00:00Z", "fieldsType": "FieldsV1"}
    return given | {"manager": manager, "operation": operation, "fieldsV1": _fields(*paths)} | more


KEEP = 'metadata finalizers v:"example.com/keep"'
OWN = ("metadata labels app", "spec replicas", "spec selector", "spec template spec")
CREATED = _entry("kubectl-create", "Update", *OWN, "spec strategy type")
KEEPER = _entry("keeper", "Update", "metadata finalizers .", KEEP)
APPLIER = _entry(FLUX, "Apply", *OWN)
CLIENT = _entry(
    "kubectl-client-side-apply", "Update", *OWN, "spec strategy type", f"metadata annotations {LAST_APPLIED}"
)


def _owned(before: Iterable[Any], after: Iterable[Any], **new: Any) -> Request:
    """An update that leaves other managedFields."""
    old = STORED | {"managedFields": list(before)}
    return update(old=old, new=STORED | {"managedFields": list(after)} | new)


def _paths(asked: Request) -> list[str]:
    """The fields that a refusal names; none where it is free."""
    decided = decide(asked, state(policy()))
    if decided.allowed:
        assert decided.reason is Reason.NOT_COVERED
        return []
    assert (decided.reason, decided.action) == (Reason.APPROVAL_MISSING, Action.CHANGE), decided.message
    assert decided.change is not None
    assert decided.change.difference is not None
    return list(decided.change.difference.paths)


@pytest.mark.parametrize("key", [LAST_APPLIED, KAPP])
@pytest.mark.parametrize(
    ("after", "named"),
    [
        (_manifest({"finalizers": ["example.com/keep"]}), "[metadata.finalizers]"),
        (_manifest({"finalizers": None}), "[metadata.finalizers]"),
        (_manifest({"ownerReferences": []}), "[metadata.ownerReferences]"),
        (_manifest(strategy={"type": "Recreate"}), "[spec.strategy]"),
        (_manifest(paused=True), "[spec.paused]"),
        (_manifest({"labels": {"argocd.argoproj.io/instance": "x"}}), "[metadata.labels[argocd.argoproj.io/instance]]"),
        (_manifest({"annotations": {constants.APPROVAL_PREFIX + "alice": "x"}}), "alice]]"),
        (_manifest({"annotations": {constants.AGENT_KEY: "x"}}), f"[metadata.annotations[{constants.AGENT_KEY}]]"),
        ("{", ".* sha256:"),
        ("[]", ".* sha256:"),
        ("[" * 100_000, ".* sha256:"),
        ('{"spec":' * 3000 + "{}" + "}" * 3000, "sha256:"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_an_annotation_names_no_field_that_its_manifest_does_not(key: str, after: Any, named: str) -> None:
    """A three-way merge would take that away; nobody reads what cannot be read."""
    found = _paths(_applied(MANIFEST, after, key))
    assert [path for path in found if path.startswith(f".nextApply[{key}]")] == found
    assert any(named in path for path in found), found
    assert _paths(_applied(None, after, key))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (MANIFEST, _manifest({"labels": {"app": "shop", "a": "b"}, "annotations": {"x": "y"}}, replicas=7)),
        (MANIFEST, _manifest(template={"spec": {"containers": [{"name": "main", "image": "shop:2", "env": []}]}})),
        (_manifest({"finalizers": ["a/b"]}, strategy={"type": "Recreate"}), MANIFEST),
        (MANIFEST, None),
        (MANIFEST, ""),
        (None, MANIFEST),
        ("{", MANIFEST),
        (MANIFEST, _manifest({"creationTimestamp": None, "uid": "u", "resourceVersion": "7"}) | {"status": {}}),
    ],
    ids=range(8),
)
def test_an_annotation_changes_freely_with_what_is_free(before: Any, after: Any) -> None:
    """An agent applies its manifests; what no manifest is without counts as named."""
    assert _paths(_applied(before, after)) == []


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
CLAIM_TEMPLATES = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]


@pytest.mark.parametrize(
    ("on", "stored", "sent"),
    [
        (DEPLOYMENT, {"spec": SPEC | {"strategy": ROLLING}}, {"spec": {"strategy": {}}}),
        (DEPLOYMENT, {"spec": SPEC | {"strategy": ROLLING}}, {"spec": {"strategy": {"type": "RollingUpdate"}}}),
        (DEPLOYMENT, {"spec": SPEC | {"revisionHistoryLimit": 10}}, {"spec": {"revisionHistoryLimit": 10}}),
        (
            target(GroupResource("apps", "statefulsets"), "db", uid="uid-s"),
            {"spec": {"volumeClaimTemplates": CLAIM_TEMPLATES, "serviceName": "db"}},
            {"spec": {"volumeClaimTemplates": CLAIM_TEMPLATES, "serviceName": "db"}},
        ),
        (
            target(SECRETS, "key", uid="uid-s"),
            {"data": {"a": "Yg=="}, "type": "Opaque"},
            {"stringData": {"a": "b"}, "type": "Opaque"},
        ),
    ],
    ids=range(5),
)
def test_what_is_back_at_once_is_named_and_owned_freely(on: Target, stored: Any, sent: Any) -> None:
    """By a first apply, and by one after ``kubectl replace``: defaults, and what nobody changes any more."""
    made = json.loads(json.dumps(stored)) | {"annotations": {}}
    applied = made | {"annotations": {LAST_APPLIED: json.dumps(sent)}}
    assert decide(update(on, old=made, new=applied), state(policy(on.resource))).allowed
    paths = [f"{above} {below}" if sent[above] != "Opaque" else above for above in sent for below in sent[above]]
    owned = [made | {"managedFields": entries} for entries in ([], [_entry(FLUX, "Apply", *paths)])]
    assert decide(update(on, old=owned[0], new=owned[1]), state(policy(on.resource))).allowed


@pytest.mark.parametrize(("kept", "named"), [(10, False), (3, True)])
def test_another_value_than_the_default_is_named_by_nobody(kept: int, named: bool) -> None:
    """It would go, and the default come in its place."""
    held = STORED | {"spec": SPEC | {"revisionHistoryLimit": kept}}
    applied = held | {"annotations": {LAST_APPLIED: json.dumps(_manifest(revisionHistoryLimit=kept))}}
    assert bool(_paths(update(old=held, new=applied))) is named


def test_an_annotation_is_new_on_what_is_approved_or_tracked() -> None:
    """The manifest of an apply always has annotations: what was applied last is one of them."""
    held = {constants.APPROVAL_PREFIX + "alice": "x", "argocd.argoproj.io/tracking-id": "x"}
    applied = held | {LAST_APPLIED: json.dumps(MANIFEST)}
    assert _paths(update(old=STORED | {"annotations": held}, new=STORED | {"annotations": applied})) == []


def test_what_kubectl_prints_of_a_new_namespace_is_applied_freely() -> None:
    """With its empty spec and status, again and again, to one that a person has made."""
    on = target(NAMESPACES, "payments", uid="uid-ns")
    printed = {"metadata": {"name": "payments", "creationTimestamp": None}, "spec": {}, "status": {}}
    stored: dict[str, Any] = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    applied = stored | {"annotations": {LAST_APPLIED: json.dumps(printed)}}
    assert decide(update(on, old=stored, new=applied), state(policy(NAMESPACES))).allowed
    things = target(GroupResource("example.com", "things"), "one", uid="uid-t")
    decided = decide(update(things, old=stored, new=applied), state(policy(things.resource)))
    assert decided.action is Action.CHANGE


def test_elements_of_guarded_lists_count_one_by_one() -> None:
    """Which of them are the same, a schema knows."""
    two = _manifest({"finalizers": ["a/b", "c/d"]})
    assert _paths(_applied(two, _manifest({"finalizers": ["c/d"]}))) == []
    assert _paths(_applied(two, _manifest({"finalizers": ["c/d", "e/f"]}))) == [
        f".nextApply[{LAST_APPLIED}][metadata.finalizers]"
    ]


def test_a_map_that_is_named_goes_as_a_whole() -> None:
    """With the guarded labels in it, where it holds some."""
    bare = MANIFEST | {"metadata": {"name": "checkout"}}
    labelled = MANIFEST | {"metadata": {"name": "checkout", "labels": {"a": "b"}}}
    assert _paths(_applied(bare, labelled)) == []
    tracked = {"labels": {"a": "b", "argocd.argoproj.io/instance": "shop"}}
    states = [tracked | {"annotations": {LAST_APPLIED: json.dumps(told)}} for told in (bare, labelled)]
    assert _paths(update(old=STORED | states[0], new=STORED | states[1])) == [
        f".nextApply[{LAST_APPLIED}][metadata.labels]"
    ]


def test_what_the_update_itself_adds_is_not_taken_from_anybody() -> None:
    """It is a change, and its approval fits however it is made."""
    asked = _applied(MANIFEST, _manifest(paused=True), spec=SPEC | {"paused": True})
    assert _paths(asked) == ["spec.paused"]


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ([KEEPER, APPLIER], [_entry(FLUX, "Apply", *OWN, KEEP)], f"{FLUX} (Apply)][metadata.finalizers]"),
        ([KEEPER, APPLIER], [APPLIER], "keeper (Update) no longer][metadata.finalizers]"),
        ([KEEPER, APPLIER], [], "keeper (Update) no longer][metadata.finalizers]"),
        ([APPLIER], [_entry(FLUX, "Apply", *OWN, "spec strategy type")], f"{FLUX} (Apply)][spec.strategy]"),
        ([APPLIER], [_entry(FLUX, "Apply", *OWN, "spec unheardOf")], f"{FLUX} (Apply)][spec.unheardOf]"),
        ([KEEPER], [KEEPER, _entry("kubectl", "Update", KEEP)], "kubectl (Update)][metadata.finalizers]"),
        (
            [APPLIER, _entry("other", "Apply", *OWN)],
            [_entry("other", "Apply", *OWN)],
            "",
        ),
        (
            [_entry(FLUX, "Apply", KEEP), _entry("x", "Apply", KEEP)],
            [_entry("x", "Apply", KEEP)],
            f"{FLUX} (Apply) no longer][metadata.finalizers]",
        ),
        (
            [CREATED, KEEPER],
            [CREATED, _entry("keeper", "Update", KEEP, f"metadata annotations {LAST_APPLIED}")],
            "kubectl (Apply)][metadata.finalizers]",
        ),
        ([CREATED], [_entry("kubectl", "Apply", *OWN, "spec strategy type")], "kubectl (Apply)][spec.strategy]"),
    ],
    ids=range(10),
)
def test_nobody_comes_to_own_a_field_alone_so_that_it_goes(before: Any, after: Any, named: str) -> None:
    """Nor is anybody lost who keeps it: by whatever is sent as managedFields, and by an apply in another's name."""
    found = _paths(_owned(before, after))
    assert any(f".nextApply[{named}" in path for path in found) if named else not found, found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # A rollout by kubectl set image, and another one.
        ([CREATED], [CREATED, _entry("kubectl-set", "Update", "spec template spec")]),
        ([APPLIER], [_entry(FLUX, "Apply", *OWN[:3]), _entry("kubectl-set", "Update", "spec template spec")]),
        # An apply beside who made it, and beside another one.
        ([CREATED], [CREATED, _entry("kubectl", "Apply", *OWN)]),
        ([APPLIER, KEEPER], [APPLIER, KEEPER, _entry("kubectl", "Apply", *OWN, KEEP)]),
        # Let go of what others own, or nobody.
        ([KEEPER, _entry("kubectl", "Apply", *OWN, KEEP)], [KEEPER, _entry("kubectl", "Apply", *OWN)]),
        ([_entry("kubectl", "Apply", *OWN, "spec strategy type")], [_entry("kubectl", "Apply", *OWN)]),
        # kubectl's step from client-side to server-side apply.
        ([CLIENT, _entry("kubectl", "Apply", *OWN)], [_entry("kubectl", "Apply", *OWN, "spec strategy type")]),
        ([CLIENT], [_entry("kubectl", "Apply", *OWN, "spec strategy type")]),
        # The oldest updates become one; an apply finds what nobody owned.
        ([CREATED, KEEPER], [_entry("ancient-changes", "Update", *OWN, KEEP, "spec strategy type")]),
        ([], [_entry("before-first-apply", "Update", *OWN, KEEP, "spec strategy type"), APPLIER]),
        # The same at another time.
        ([CREATED | {"time": "2026-11-22T09:00:00Z"}], [CREATED | {"time": "2026-11-22T10:00:00Z"}]),
    ],
    ids=range(11),
)
def test_what_the_api_server_does_with_ownership_is_fine(before: Any, after: Any) -> None:
    """And so is what kubectl does."""
    assert _paths(_owned(before, after)) == []


def test_a_field_whose_value_changes_goes_over_to_who_changes_it() -> None:
    """That is one change, and tells nothing beside."""
    before = [CREATED]
    after = [_entry("kubectl-create", "Update", *OWN), _entry("kubectl-patch", "Update", "spec strategy type")]
    asked = _owned(before, after, spec=SPEC | {"strategy": {"type": "RollingUpdate"}})
    assert _paths(asked) == ["spec.strategy.type"]
    taken = [_entry("kubectl-create", "Update", *OWN), _entry(FLUX, "Apply", "spec strategy type")]
    forced = _owned(before, taken, spec=SPEC | {"strategy": {"type": "RollingUpdate"}})
    assert _paths(forced) == ["spec.strategy.type", f".nextApply[{FLUX} (Apply)][spec.strategy]"]


RESTARTED = "metadata annotations kubectl.kubernetes.io/restartedAt"
MAIN = 'spec containers k:{"name":"main"}'
ADDED = f'{MAIN} env k:{{"name":"FOO"}}'
TUNED = ("spec.tuning.level", "spec.tuning.speed", "data[flags]")


def _pods(metadata: Any = None, spec: Any = None, **container: Any) -> dict[str, Any]:
    """A template as the API server stores it."""
    main = {"name": "main", "image": "shop:1", "imagePullPolicy": "Always"} | container
    ending = {"terminationGracePeriodSeconds": 30, "containers": [main], "restartPolicy": "Always"}
    return {"metadata": {"labels": {"app": "shop"}} | (metadata or {}), "spec": ending | (spec or {})}


_RESTARTED = _pods({"annotations": {"kubectl.kubernetes.io/restartedAt": "x"}})
_ADDED = _pods(env=[{"name": "FOO", "value": "bar"}])
_LATE = {"spec": {"terminationGracePeriodSeconds": 60}}


def _rolled(kind: str, *place: str, **states: Any) -> tuple[Target, Any, Any, str]:
    """Templates of a workload before and after an agent takes back what it has changed, and where they are."""
    told = []
    for template in (states["before"], states["after"]):
        fields: Any = {"template": template}
        for step in reversed(place):
            fields = {step: fields}
        told.append(fields)
    group = "batch" if kind in {"jobs", "cronjobs"} else "apps"
    return target(GroupResource(group, kind), "checkout"), *told, " ".join((*place, "template"))


def _left(rolled: tuple[Target, Any, Any, str], applied: Iterable[str], lost: str, **how: Any) -> list[str]:
    """The fields that a refusal names where an entry goes by taking back what it had added beside an applier."""
    on, before, after, place = rolled
    applier = _entry(FLUX, "Apply", *(f"{place} {path}" for path in applied))
    worker = _entry("kubectl-set", how.pop("operation", "Update"), f"{place} {lost}")
    old = before | {"managedFields": [applier, worker]}
    asked = update(on, old=old, new=after | {"managedFields": [applier]})
    decided = decide(asked, state(policy(on.resource, **how)))
    if decided.allowed:
        assert decided.reason is Reason.NOT_COVERED
        return []
    assert decided.change is not None
    assert decided.change.difference is not None
    return list(decided.change.difference.paths)


_APPLIED = ("metadata labels app", f"{MAIN} image", f"{MAIN} name")
_WORKLOADS = {
    "deployments": ("spec",),
    "statefulsets": ("spec",),
    "daemonsets": ("spec",),
    "replicasets": ("spec",),
    "cronjobs": ("spec", "jobTemplate", "spec"),
}


@pytest.mark.parametrize("operation", ["Update", "Apply"])
@pytest.mark.parametrize("kind", _WORKLOADS)
@pytest.mark.parametrize(("before", "lost"), [(_RESTARTED, RESTARTED), (_ADDED, ADDED)], ids=["restart", "env"])
def test_an_agent_takes_its_own_rollout_back(kind: str, before: Any, lost: str, operation: str) -> None:
    """By ``kubectl rollout undo`` and ``set env FOO-``, with whoever applies there beside it."""
    rolled = _rolled(kind, *_WORKLOADS[kind], before=before, after=_pods())
    assert _left(rolled, _APPLIED, lost, operation=operation) == []


@pytest.mark.parametrize(
    ("kind", "applied", "named"),
    [
        # In the manifest of who applies it.
        ("deployments", (*_APPLIED, "spec terminationGracePeriodSeconds"), ""),
        ("statefulsets", (*_APPLIED, "spec terminationGracePeriodSeconds"), ""),
        # Nobody's: but no Deployment is without a template's spec.
        ("deployments", _APPLIED, ""),
        ("statefulsets", _APPLIED, "spec.template.spec"),
    ],
)
def test_what_is_guarded_beside_is_at_stake_where_nobody_owns_it(kind: str, applied: Any, named: str) -> None:
    """An apply would take it along that sends nothing there, and it stayed before by what has gone."""
    before, after = (_pods(**_LATE, env=env) for env in ([{"name": "FOO", "value": "bar"}], []))
    found = _left(_rolled(kind, "spec", before=before, after=after), applied, ADDED)
    assert found == ([f".nextApply[kubectl-set (Update) no longer][{named}]"] if named else [])


def _tuned(before: Any, after: Any) -> tuple[Target, Any, Any, str]:
    return target(THINGS, "one"), {"spec": {"tuning": before}}, {"spec": {"tuning": after}}, "spec tuning"


@pytest.mark.parametrize(
    ("rolled", "applied", "lost", "named"),
    [
        # What the applier's manifest holds, guarded, is there for its own sake.
        (_tuned({"level": 5, "keep": 1}, {"keep": 1}), ["keep"], "level", ""),
        (_tuned({"level": 5, "a": {"b": 1}}, {"a": {"b": 1}}), ["a b"], "level", ""),
        (_tuned({"level": 5, "keep": 1}, {"keep": 1}), ["speed"], "level", "spec"),
        (_tuned({"level": 5, "keep": 1, "a": 1}, {"keep": 1, "a": 1}), ["a"], "level", "spec.tuning"),
        (_tuned({"level": 5, "speed": 1}, {"speed": 1}), ["speed"], "level", "spec"),
        (
            (target(CONFIG_MAPS, "settings"), {"data": {"flags": "x", "a": "b"}}, {"data": {"a": "b"}}, "data"),
            ["a"],
            "flags",
            "",
        ),
    ],
    ids=range(6),
)
def test_what_a_policy_frees_in_an_object_is_taken_back(rolled: Any, applied: Any, lost: str, named: str) -> None:
    """The object around it stays, where its applier's manifest holds it for what is guarded in it."""
    found = _left(rolled, applied, lost, free_changes=TUNED)
    assert found == ([f".nextApply[kubectl-set (Update) no longer][{named}]"] if named else [])


def test_what_kubectl_alone_is_left_with_goes_by_both_its_ways() -> None:
    """Its server-side apply takes over what it has applied by client, and takes away what it does not send."""
    on, before, after, _ = _tuned({"level": 5, "speed": 1, "keep": 1}, {"speed": 1, "keep": 1})
    mark = f"metadata annotations {LAST_APPLIED}"
    left = [
        _entry("kubectl-client-side-apply", "Update", "spec tuning speed", mark),
        _entry("kubectl", "Apply", "spec tuning speed"),
    ]
    old = before | {"managedFields": [*left, _entry("keeper", "Update", "spec tuning level")]}
    asked = update(on, old=old, new=after | {"managedFields": left})
    change = decide(asked, state(policy(THINGS, free_changes=TUNED))).change
    assert change is not None
    assert change.difference is not None
    assert change.difference.paths == (".nextApply[keeper (Update) no longer][spec]",)


@pytest.mark.parametrize(
    ("manager", "told"),
    [
        *((each, each) for each in ("keeper", "kube-controller-manager", "deploy@k3s-1", "io.cilium/x", "a_b:c")),
        *((each, json.dumps(each)) for each in ("x (Update) no longer][spec", "a b", "a,b", 'a"b', "", "k\u0435eper")),
    ],
)
def test_a_managers_name_reads_as_a_name(manager: str, told: str) -> None:
    """Clients choose it. What waits is compared by it as well."""
    on, before, after, _ = _tuned({"level": 5}, {"level": 5})
    applier = _entry(FLUX, "Apply", "spec tuning level")
    old = before | {"managedFields": [applier, _entry(manager, "Update", "spec tuning level")]}
    change = decide(update(on, old=old, new=after | {"managedFields": [applier]}), state(policy(THINGS))).change
    assert change is not None
    assert change.difference is not None
    assert change.difference.paths == (f".nextApply[{told} (Update) no longer][spec]",)


def test_what_kubectl_comes_to_hold_by_the_same_update_was_not_its_own() -> None:
    """By a free change in its name, beside something that nobody owns, where another one lets go."""
    keep = {"keep": 1, "sub": {"g": 1}}
    on, before, after, _ = _tuned(keep | {"level": 5}, keep | {"sub": {"g": 1, "x": 1}})
    own = (f"metadata annotations {LAST_APPLIED}", "spec tuning keep")
    client = [_entry("kubectl-client-side-apply", "Update", *own, *more) for more in ((), ("spec tuning sub x",))]
    old = before | {"managedFields": [client[0], _entry("keeper", "Update", "spec tuning level")]}
    asked = update(on, old=old, new=after | {"managedFields": [client[1]]})
    change = decide(asked, state(policy(THINGS, free_changes=(*TUNED, "spec.tuning.sub.x")))).change
    assert change is not None
    assert change.difference is not None
    assert change.difference.paths == (".nextApply[keeper (Update) no longer][spec.tuning]",)


def test_people_own_what_they_like() -> None:
    """It binds agents alone."""
    states = [STORED | {"managedFields": entries} for entries in ([KEEPER, APPLIER], [_entry(FLUX, "Apply", KEEP)])]
    assert decide(update(user=PERSON, old=states[0], new=states[1]), state(policy())).allowed


def test_very_many_managers_are_refused_where_it_matters() -> None:
    """Comparing each with each would take too long; agents alone are refused."""
    crowd = [_entry(f"m{number}", "Apply", "metadata labels app") for number in range(200)]
    decided = decide(_owned([CREATED], [CREATED, *crowd]), state(policy()))
    assert decided.reason is Reason.INTERNAL_ERROR
    assert "too many managers" in decided.message


def _nested(levels: int, step: str = "a") -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {step: value}
    return value


def _deep(levels: int) -> dict[str, Request]:
    """An agent's updates of which something nests so deeply, by what that is."""
    tree = _entry("x", "Apply", "metadata labels app") | {"fieldsV1": {"f:spec": _nested(levels, "f:a")}}
    last = {"metadata": {}, "spec": _nested(levels)}
    stored = STORED | {"spec": _nested(levels)}
    return {
        "an annotation": _applied(None, json.dumps(last)),
        "an annotation that is replaced": _applied(json.dumps(last | {"x": 1}), json.dumps(last)),
        "an annotation that goes": _applied(json.dumps(last), ""),
        "fields that are owned": _owned([CREATED], [CREATED, tree]),
        "fields that are owned no more": _owned([CREATED, tree], [CREATED]),
        "fields of an object as deep": update(
            old=stored | {"managedFields": [CREATED]}, new=stored | {"managedFields": [CREATED, tree]}
        ),
    }


@pytest.fixture
def _as_deep_as_the_webhook() -> Iterator[None]:
    before = sys.getrecursionlimit()
    run.prepare_interpreter()
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("_as_deep_as_the_webhook")
@pytest.mark.parametrize("what", _deep(1))
def test_what_nests_deeply_takes_no_longer_than_its_size(what: str) -> None:
    """Reviews of up to 64 KiB are decided where all others wait meanwhile."""

    def calls(levels: int) -> int:
        asked = _deep(levels)[what]
        decided, found = counted(lambda: decide(asked, state(policy())))
        # What is named or owned so deeply does not go by unseen. Who names less takes nothing away.
        assert not decided.allowed or what in {"an annotation that is replaced", "an annotation that goes"}
        return found.total()

    assert calls(3000) < 8 * calls(500)


def test_a_list_of_many_elements_is_looked_through_once() -> None:
    """By whatever keys somebody tells them apart."""
    many = {"apiVersion": "v1", "data": [{"name": str(number)} for number in range(3000)]}
    tokens = [f'data k:{{"a{number}":1}}' for number in range(3000)]
    on = target(CONFIG_MAPS, "settings", uid="uid-c")
    states = [
        many | {"managedFields": [_entry("x", "Update", "data")]},
        many | {"managedFields": [_entry("x", "Update", "data"), _entry("y", "Apply", *tokens)]},
    ]
    decided = decide(update(on, old=states[0], new=states[1]), state(policy(CONFIG_MAPS)))
    assert decided.action is Action.CHANGE
    assert decided.change is not None
    assert decided.change.difference is not None
    assert "more, sha256:" in decided.change.difference.next_apply


def test_its_approval_fits_that_and_nothing_else() -> None:
    """Free work in between does not void it; once it is done, the object says so."""
    asked = _owned([KEEPER, APPLIER], [_entry(FLUX, "Apply", *OWN, KEEP)])
    change = decide(asked, state(policy())).change
    assert change is not None
    difference = change.difference
    assert difference is not None
    free = free_changes.of_all([policy()], DEPLOYMENT.resource)
    stored, wanted = codec.whole(asked)
    worked = stored | {"spec": SPEC | {"replicas": 9}}
    based = differences.rebased(DEPLOYMENT.resource, worked, difference, free)
    assert based is not None
    assert based.proven
    assert list(differences.parts(based.after)[1]) == ["keeper (Update) no longer", f"{FLUX} (Apply)"]
    assert [differences.done(DEPLOYMENT.resource, one, difference, free) for one in (stored, worked, wanted)] == [
        False,
        False,
        True,
    ]
    other = decide(_owned([KEEPER, APPLIER], [APPLIER]), state(policy())).change
    assert other is not None
    assert other.difference is not None
    assert (other.difference.before, other.name) != (difference.before, change.name)
    assert other.difference.before == difference.before
    assert other.difference.after != difference.after


def test_an_own_field_of_that_name_is_bound_as_any_other() -> None:
    """A custom resource may have a field nextApply; what is taken of it is neither shown nor signed for as that."""
    free = [compiled(("metadata",))]
    gone: dict[str, Any] = {"spec": {}}
    kept = gone | {"nextApply": {"data": "precious"}}
    taken = {LAST_APPLIED: ["spec.a"]}
    found = differences.between(THINGS, kept, kept, free, taken)
    assert found is not None
    assert (found.patch, json.loads(found.next_apply)) == ("{}", taken)
    assert found.paths == (f".nextApply[{LAST_APPLIED}][spec.a]",)
    others = [
        differences.between(THINGS, kept, gone, free, taken),
        differences.between(THINGS, kept, gone | {"nextApply": taken}, free),
        differences.between(THINGS, kept, kept, free, {LAST_APPLIED: ["spec.b"]}),
    ]
    assert all(other is not None and other.after != found.after for other in others)
    based = differences.rebased(THINGS, kept, found, free)
    assert based is not None
    assert based.proven
    assert differences.parts(based.after) == (kept, taken)
    forged = differences.rebased(THINGS, kept, msgspec.structs.replace(found, next_apply=""), free)
    assert forged is not None
    assert not forged.proven


def test_what_clients_name_stands_for_one_thing() -> None:
    """They choose the names of managers and subresources, and a custom resource's keys."""
    manager = _entry("keeper (Update) no longer", "Update", KEEP)
    gained = _paths(_owned([KEEPER], [KEEPER, manager]))
    lost = _paths(_owned([KEEPER, APPLIER], [APPLIER]))
    assert (len(gained), len(lost)) == (1, 1)
    assert gained != lost
    keys = [
        ("a (Update x)", "Apply", ""),
        ("a", "Update", "x) (Apply"),
        ("a", "Update", "x"),
        ("a (Update x", "Apply", ""),
    ]
    assert len({managed_fields.Key(*key, "").text for key in keys}) == len(keys)


def test_a_named_field_is_seen_to_be_named() -> None:
    """What was approved of an annotation is done once it stands there."""
    asked = _applied(MANIFEST, _manifest({"finalizers": []}, strategy={"type": "Recreate"}))
    change = decide(asked, state(policy())).change
    assert change is not None
    assert change.difference is not None
    free = free_changes.of_all([policy()], DEPLOYMENT.resource)
    done = [differences.done(DEPLOYMENT.resource, one, change.difference, free) for one in codec.whole(asked)]
    assert done == [False, True]


SENT = ("spec strategy type", KEEP)
NAMED = _manifest({"finalizers": ["example.com/keep"]}, strategy={"type": "Recreate"})


def _applied_where(owners: Iterable[Any], before: Any, after: Any) -> list[str]:
    """The fields that a refusal names, of an update of the annotation where these own the object's fields."""
    states = []
    for told in (before, after):
        held: dict[str, Any] = {} if told is None else {"annotations": {LAST_APPLIED: json.dumps(told)}}
        states.append(STORED | held | {"managedFields": list(owners)})
    return _paths(update(old=states[0], new=states[1]))


@pytest.mark.parametrize(
    ("manager", "operation"),
    [
        ("kubectl-create", "Update"),
        ("kubectl-client-side-apply", "Update"),
        ("kubectl", "Apply"),
        ("helm", "Apply"),
        ("helm", "Update"),
    ],
)
def test_what_its_maker_sends_is_named_freely(manager: str, operation: str) -> None:
    """By a first apply of the same manifest; other people's free work in between does not matter."""
    maker = _entry(manager, operation, *OWN, *SENT)
    worker = _entry("kubectl-set", "Update", "spec template spec", "metadata labels team")
    assert _applied_where([maker, worker], None, NAMED) == []
    assert _applied_where([maker, worker], NAMED, None) == []


@pytest.mark.parametrize(
    "owners",
    [
        [],
        [_entry("kubectl-create", "Update", *OWN), _entry("kubectl-edit", "Update", *SENT)],
        [_entry("kubectl-create", "Update", *OWN, *SENT), _entry("keeper", "Update", *SENT)],
        [_entry("kubectl", "Apply", *OWN, *SENT), _entry("keeper", "Apply", *SENT)],
        [_entry("kubectl-create", "Apply", *OWN, *SENT)],
        [_entry("ancient-changes", "Update", *OWN, *SENT)],
        [_entry("before-first-apply", "Update", *OWN, *SENT)],
        [_entry("kubectl-create", "Update", *SENT, subresource="status")],
        [_entry("kubectl-create", "Update", "metadata", "spec")],
    ],
    ids=range(9),
)
def test_what_somebody_else_has_set_is_named_by_nobody(owners: Any) -> None:
    """The next apply, by whoever made the object, would take it away."""
    fields = [f".nextApply[{LAST_APPLIED}][{field}]" for field in ("metadata.finalizers", "spec.strategy")]
    assert _applied_where(owners, None, NAMED) == fields


def test_what_was_applied_is_not_forgotten_where_it_names_less() -> None:
    """Without it, an agent could name what somebody else's manifest has, and whoever applies does not send."""
    maker = _entry("helm", "Apply", *OWN, *SENT)
    fields = [f".nextApply[{LAST_APPLIED} no longer][{field}]" for field in ("metadata.finalizers", "spec.strategy")]
    assert _applied_where([maker], MANIFEST, None) == fields
    assert _applied_where([maker], MANIFEST, NAMED) == [field.replace(" no longer", "") for field in fields]
    # What kubectl's own apply has set, and its annotation does not name, has its default.
    assert _applied_where([CLIENT], MANIFEST, None) == []
    annotated: tuple[dict[str, str], ...] = ({LAST_APPLIED: json.dumps(MANIFEST)}, {})
    states = [STORED | {"annotations": held, "managedFields": [maker]} for held in annotated]
    asked = update(old=states[0], new=states[1])
    change = decide(asked, state(policy())).change
    assert change is not None
    assert change.difference is not None
    free = free_changes.of_all([policy()], DEPLOYMENT.resource)
    done = [differences.done(DEPLOYMENT.resource, one, change.difference, free) for one in codec.whole(asked)]
    assert done == [False, True]


def test_a_secret_names_its_data_as_text_too() -> None:
    """It is stored as Base64."""
    on = target(SECRETS, "key", uid="uid-s")
    made = {"data": {"a": "Yg=="}, "managedFields": [_entry("kubectl-create", "Update", "data a")]}
    for manifest, allowed in (({"stringData": {"a": "b"}}, True), ({"data": []}, False)):
        old = made | {"annotations": {LAST_APPLIED: json.dumps(manifest)}}
        assert decide(update(on, old=old, new=made), state(policy(SECRETS))).allowed is allowed


def test_kubectl_applies_again_after_a_replacement() -> None:
    """Its annotation is gone by that, and what it owns is as it was."""
    own = (*OWN, "spec strategy type", KEEP)
    before = [_entry("kubectl-client-side-apply", "Update", *own)]
    after = [_entry("kubectl-client-side-apply", "Update", *own, f"metadata annotations {LAST_APPLIED}")]
    assert _paths(_owned(before, after)) == []


_KEYS = st.sampled_from("abc")
_TREES: st.SearchStrategy[Any] = st.recursive(
    st.just({}), lambda below: st.dictionaries(_KEYS, below, max_size=3), max_leaves=8
)
_FREE = (compiled(("a", "b.c")),)


def _merged(last: Mapping[str, Any], manifest: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """What an apply leaves: without what was applied last and is not sent, by a three-way merge of maps."""
    left = {}
    for key, value in live.items():
        if key in last and key not in manifest:
            continue
        sent, was = manifest.get(key, {}), last.get(key, {})
        left[key] = _merged(was, sent, value) if key in last else value
    return left


def _holds(more: Any, less: Any) -> bool:
    return all(key in more and _holds(more[key], below) for key, below in less.items())


def _guarded(document: Any, free: Iterable[FreePaths] = _FREE) -> Any:
    left = without(document, tuple(free))
    return {} if left is DROPPED else left


@settings(max_examples=300, deadline=None)
@given(live=_TREES, before=_TREES, after=_TREES, manifest=_TREES)
def test_where_nothing_is_told_no_apply_by_client_takes_more(live: Any, before: Any, after: Any, manifest: Any) -> None:
    """Whatever is stored, was named, is named, and is sent next."""
    free = policy(free_changes=("metadata.annotations", "a", "b.c"))
    states = [live | {"annotations": {LAST_APPLIED: json.dumps(one)}} for one in (before, after)]
    if not decide(update(old=states[0], new=states[1]), state(free)).allowed:
        return
    then, now = (_guarded(_merged(one, manifest, live)) for one in (before, after))
    assert _holds(now, then)


_ALL = ["b", "b c", "b d", "c", "c a", "c b", "c b a"]
_PATHS = st.sets(st.sampled_from(_ALL), max_size=4)
_OWNERS = st.lists(
    st.tuples(st.sampled_from(["p", "q", "r"]), st.sampled_from(["Apply", "Update"]), _PATHS), max_size=4
)
_LIVE: dict[str, Any] = {"b": {"c": {}, "d": {}}, "c": {"a": {}, "b": {"a": {}}}}


def _holding(paths: Iterable[str], place: tuple[str, ...]) -> bool:
    """Whether who owns these fields holds a place."""
    return any(tuple(path.split())[: len(place)] == place for path in paths)


def _pruned(owners: Any, manager: str, sent: set[str], live: Any, place: tuple[str, ...] = ()) -> Any:
    """What server-side apply leaves: without what its manager owned, does not send, and nobody else owns below."""
    left = {}
    others = [paths for owner, paths in [*owners.items(), ((), sent)] if owner != (manager, "Apply")]
    for key, value in live.items():
        here = (*place, key)
        if not _holding(owners.get((manager, "Apply"), ()), here) or any(_holding(paths, here) for paths in others):
            left[key] = _pruned(owners, manager, sent, value, here)
    return left


def _gone(live: Any, places: Iterable[tuple[str, ...]], place: tuple[str, ...] = ()) -> Any:
    """A state of the object without some places."""
    below = {key: _gone(value, places, (*place, key)) for key, value in live.items()}
    return {key: value for key, value in below.items() if (*place, key) not in places}


def _beside_its_own(left: Any, own: Iterable[tuple[str, ...]], place: tuple[str, ...] = ()) -> Any:
    """A state without objects in which nothing is left, and in which somebody owns something guarded all the while."""
    below = {key: _beside_its_own(value, own, (*place, key)) for key, value in left.items()}
    around = {steps[:length] for steps in own for length in range(len(steps))}
    return {key: value for key, value in below.items() if value or (*place, key) not in around}


@settings(max_examples=300, deadline=None)
@given(
    before=_OWNERS,
    after=_OWNERS,
    sent=_PATHS,
    manager=st.sampled_from(["p", "q", "r"]),
    gone=st.sets(st.sampled_from([tuple(path.split()) for path in _ALL]), max_size=2),
    freed=st.sampled_from([("a", "b.c"), ("b", "!b.d", "c.b.a"), ("c", "!c.b.a", "b.c"), ("b", "!b.d", "c", "!c.a")]),
)
def test_where_nothing_is_told_no_apply_by_server_takes_more(
    before: Any, after: Any, sent: Any, manager: str, gone: Any, freed: tuple[str, ...]
) -> None:
    """Whoever owned what, whoever owns it by whatever was sent, what goes freely by that, and whoever applies next."""
    lives = (_LIVE, _gone(_LIVE, gone))
    entries = [[_entry(who, how, *paths) for who, how, paths in owners] for owners in (before, after)]
    states = [live | {"managedFields": one} for live, one in zip(lives, entries, strict=True)]
    free = policy(free_changes=("metadata.annotations", *freed))
    if not decide(update(old=states[0], new=states[1]), state(free)).allowed:
        return
    owned = [{(who, how): paths for who, how, paths in owners} for owners in (before, after)]
    _takes_no_more(owned, manager, sent, lives, freed)


_INNER = ["b", "b c", "b d", "b e", "b e a", "b e d"]
_OWNED = st.sets(st.sampled_from(_INNER), min_size=1, max_size=4)


@settings(max_examples=500, deadline=None)
@given(
    applied=_OWNED,
    moved=st.sets(st.sampled_from(_INNER), max_size=1),
    losing=st.lists(st.tuples(st.sampled_from(["Apply", "Update"]), _OWNED, _OWNED), min_size=1, max_size=2),
    sent=st.sets(st.sampled_from(_INNER), max_size=2),
    gone=st.booleans(),
    freed=st.sampled_from([("b.c", "b.e.a"), ("b", "!b.d", "!b.e.d"), ("b.c", "b.e", "!b.e.d")]),
)
# Both let go of it at once, and the object around it is the applier's alone.
@example({"b d", "b e a"}, {"b d"}, [("Apply", {"b d"}, {"b d"})], set(), False, ("b", "!b.d", "!b.e.d"))
def test_what_others_have_let_go_of_is_told_where_an_apply_takes_it(
    applied: Any, moved: Any, losing: Any, sent: Any, gone: bool, freed: tuple[str, ...]
) -> None:
    """Around what is free, too: whether that goes or stays, and whatever the applier has come to own meanwhile."""
    live: dict[str, Any] = {"b": {"c": {}, "d": {}, "e": {"a": {}, "d": {}}}}
    lives = (live, _gone(live, [("b", "c")] if gone else []))
    before = {("p", "Apply"): applied} | {(f"q{n}", how): had for n, (how, had, _) in enumerate(losing)}
    after = {("p", "Apply"): applied ^ moved} | {
        (f"q{n}", how): had - lost for n, (how, had, lost) in enumerate(losing)
    }
    owned = (before, after)
    entries = [[_entry(*key, *paths) for key, paths in each.items() if paths] for each in owned]
    states = [one | {"managedFields": each} for one, each in zip(lives, entries, strict=True)]
    asked = _Asked(update(old=states[0], new=states[1]))
    if next_apply.taken(asked, [compiled(freed)]):
        return
    _takes_no_more(owned, "p", sent, lives, freed)


class _Asked:
    """A request as a review sees it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.written, self.whole = codec.written(request), codec.whole(request)


def _takes_no_more(owned: Any, manager: str, sent: set[str], lives: Any, freed: tuple[str, ...]) -> None:
    """See that an apply by a manager takes nothing guarded that it had not taken before."""
    left = [_pruned(one, manager, sent, live) for one, live in zip(owned, lives, strict=True)]
    then, now = (_guarded(one, [compiled(freed)]) for one in left)
    # Around what is in its own manifest, the object is there, too.
    guarded = [
        steps for steps in {tuple(path.split()) for path in (*_ALL, *_INNER)} if not _free_anywhere(freed, steps)
    ]
    own = [steps for steps in guarded if all(_holding(one.get((manager, "Apply"), ()), steps) for one in owned)]
    assert _holds(_beside_its_own(now, own), _beside_its_own(then, own))


def _free_anywhere(freed: tuple[str, ...], steps: tuple[str, ...]) -> bool:
    """Whether anything is free in a place."""
    paths = compiled(freed)
    for step in steps:
        paths = free_paths.at(paths, step)
    return not paths.none_free


def _counted(asked: Request, function: str) -> int:
    """How often a Python function is called for a review."""
    _, calls = counted(lambda: decide(asked, state(policy(CONFIG_MAPS))))
    return sum(times for called, times in calls.items() if called.endswith(f":{function}"))


def _held(managers: int, operation: str = "Update", fields: int = 20) -> list[dict[str, Any]]:
    owned: dict[str, Any] = {"f:data": {f"f:k{number}": {} for number in range(fields)}}
    return [
        {"manager": f"m{number}", "operation": operation, "apiVersion": "v1", "fieldsV1": owned}
        for number in range(managers)
    ]


def _config(fields: int, **metadata: Any) -> dict[str, Any]:
    return {"data": {f"k{number}": "x" for number in range(fields)}, **metadata}


def test_what_stays_is_told_once_whoever_comes_to_own_it() -> None:
    """It takes writing out all that is there, and an agent names as many managers as there may be."""
    changed = _config(20) | {"data": _config(20)["data"] | {"k0": "y"}}
    asked = update(target(CONFIG_MAPS), old=_config(20), new=changed | {"managedFields": _held(40)})
    assert _counted(asked, "Place.stays") <= 22


def test_of_managed_fields_that_are_too_large_nobody_tells_what_they_move() -> None:
    """Each field of each manager is looked for in all others."""
    on, data = target(CONFIG_MAPS), _config(300)
    for managers, reason in ((10, Reason.NOT_COVERED), (60, Reason.INTERNAL_ERROR)):
        asked = update(on, old=data, new=data | {"managedFields": _held(managers, "Apply", 300)})
        assert decide(asked, state(policy(CONFIG_MAPS))).reason is reason
