"""As whom an agent's pods run, and what is asked about that ServiceAccount."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.support.builders import (
    AGENT,
    CONFIG_MAPS,
    DEPLOYMENTS,
    PERSON,
    connection,
    creation,
    deletion,
    policy,
    resolved,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, refusal

from seconder.admission import pod_starts
from seconder.admission.kinds import CRON_JOBS, POD_RUNNERS, REPLICATION_CONTROLLERS
from seconder.admission.lookups import (
    Account,
    FirstRight,
    Lookup,
    OwningResources,
    ReadableTokens,
    ReadWhole,
    Right,
    RunningPod,
    SecretTokens,
    TokenAccounts,
)
from seconder.admission.policy_index import Installation
from seconder.admission.powers import OF_ONE_NAMESPACE, POWERS, Place, askable
from seconder.admission.principal import BUILTIN_CONTROLLERS, service_account
from seconder.admission.request import Caller, Malformed, Request
from seconder.api.label_selector import Operator, Requirement
from seconder.api.policy import AgentTags, Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import (
    DAEMON_SETS,
    ENDPOINT_SLICES,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    GroupResource,
)

WORKER = Account("payments", "worker")
MAY_DELETE = Right("delete", "apps", "deployments", "", "payments")
WORKERS = AgentTags(users=frozenset({"system:serviceaccount:payments:worker"}))
POD = target(PODS, "p")
STACKS = GroupResource("example.com", "stacks")


def _pod(runs_as: str = "worker", namespace: str = "payments", user: Caller = AGENT) -> Request:
    return creation(target(PODS, "p", namespace), user, new={"spec": {"serviceAccountName": runs_as}})


def _asked(request: Request, *policies: Policy, **answers: Any) -> list[FirstRight]:
    given = Answers(**answers)
    decide(request, state(*policies), answers=given)
    return given.questions(FirstRight)


def _rights(*policies: Policy, **answers: Any) -> tuple[Right, ...]:
    (asked,) = _asked(_pod(), *policies, **answers)
    assert asked.account == WORKER
    return asked.rights


def _far(count: int) -> list[Policy]:
    return [policy(name=f"p{number}", namespaces=frozenset({f"place-{number}"})) for number in range(count)]


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "proxy"])
def test_entering_a_pod_asks_as_whom_it_runs(subresource: str) -> None:
    """The review does not say."""
    answers = Answers(runs_as="worker")
    assert decide(connection(POD, subresource), state(), answers=answers).allowed
    assert set(answers.questions(RunningPod)) == {RunningPod("payments", "p")}
    assert [asked.account for asked in answers.questions(FirstRight)] == [WORKER]


def test_making_or_changing_pods_says_as_whom_they_run() -> None:
    """Reading logs and deleting do not."""
    before: dict[str, Any] = {"serviceAccountName": "worker"}
    after = before | {"ephemeralContainers": [{}]}
    changed = update(POD, old={"spec": before}, new={"spec": after}, subResource="ephemeralcontainers")
    for request in (_pod(), changed):
        assert [asked.account for asked in _asked(request)] == [WORKER]
    for request in (update(POD), deletion(POD), connection(POD, "log")):
        assert _asked(request) == []


@pytest.mark.parametrize("resource", sorted(POD_RUNNERS), ids=str)
def test_as_whom_pods_run_is_read_from_every_kind(resource: GroupResource) -> None:
    """Where nothing is said, as ``default``; where nothing of the pods changes, nothing is said."""

    def wrapped(run: Any, **more: Any) -> dict[str, Any]:
        job = {"template": {"spec": run}} | more
        if resource == PODS:
            return {"spec": run}
        return {"spec": {"jobTemplate": {"spec": job}}} if resource.resource == "cronjobs" else {"spec": job}

    def runs_as(new: Any, old: Any = None, **fields: Any) -> str:
        made = update(target(resource), old=old, new=new, **fields) if old else creation(target(resource), new=new)
        return "".join(asked.account.name for asked in _asked(made))

    run = {"serviceAccountName": "worker", "containers": []}
    other = run | {"containers": [{"image": "x"}]}
    assert runs_as(wrapped(run)) == "worker"
    assert runs_as(wrapped({"containers": []})) == "default"
    labelled = {"metadata": {"labels": {"a": "b"}}}
    # With other labels a ReplicaSet is another Deployment's to start.
    joins = "worker" if resource == REPLICA_SETS else ""
    assert runs_as(wrapped(run) | labelled, wrapped(run)) == joins
    assert runs_as(wrapped(other), wrapped(run)) == "worker"
    assert runs_as(wrapped(run) | labelled, wrapped(run), subResource="status") == joins
    assert runs_as(wrapped(other), wrapped(run), subResource="ephemeralcontainers") == "worker"
    assert runs_as({"spec": None}) == ""
    with pytest.raises(Malformed, match="the pods' specification is not understood"):
        runs_as(wrapped({"serviceAccountName": 5}))


_RUNS: dict[str, Any] = {"template": {"spec": {"serviceAccountName": "worker"}}}
_HELD: dict[str, Any] = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 9}}}
_AT_ONCE: dict[str, Any] = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}}
_BY_HAND: dict[str, Any] = {"updateStrategy": {"type": "OnDelete"}}
_TIMED: dict[str, Any] = {"jobTemplate": {"spec": _RUNS}, "schedule": "0 0 31 2 *"}


@pytest.mark.parametrize(
    ("resource", "before", "after", "starts"),
    [
        (CRON_JOBS, {"suspend": True}, {"suspend": False}, True),
        (CRON_JOBS, {"suspend": True}, {}, True),
        (CRON_JOBS, {}, {"schedule": "* * * * *"}, True),
        (CRON_JOBS, {}, {"timeZone": "Asia/Tokyo"}, True),
        (CRON_JOBS, {"suspend": True}, {"suspend": True, "schedule": "* * * * *"}, False),
        (CRON_JOBS, {"suspend": False}, {"suspend": True}, False),
        (CRON_JOBS, {"concurrencyPolicy": "Forbid"}, {"concurrencyPolicy": "Allow"}, True),
        (CRON_JOBS, {}, {"startingDeadlineSeconds": 9}, True),
        (CRON_JOBS, {}, {"fieldOfAnotherDay": 9}, True),
        (CRON_JOBS, {}, {"failedJobsHistoryLimit": 3}, False),
        (JOBS, {"suspend": True}, {"suspend": False}, True),
        (JOBS, {"parallelism": 0}, {"parallelism": 1}, True),
        (JOBS, {"completions": 1}, {"completions": 2}, True),
        (JOBS, {"suspend": False}, {"suspend": True}, False),
        (JOBS, {}, {"ttlSecondsAfterFinished": 3}, False),
        (JOBS, {}, {"backoffLimit": 9}, True),
        (JOBS, {"suspend": True}, {"suspend": True, "parallelism": 9}, False),
        (REPLICATION_CONTROLLERS, {"replicas": 0}, {"replicas": 1}, True),
        (DEPLOYMENTS, {"replicas": 0}, {"replicas": 3}, True),
        (DEPLOYMENTS, {"replicas": 1}, {"replicas": 3}, False),
        (DEPLOYMENTS, {"replicas": 0}, {"replicas": 0, "paused": True}, False),
        (DEPLOYMENTS, {"replicas": 1}, {"replicas": 0}, False),
        (DEPLOYMENTS, {"replicas": 1, "paused": True}, {"replicas": 1}, True),
        (DEPLOYMENTS, {"replicas": 1, "paused": True}, {"replicas": 3, "paused": False}, True),
        (DEPLOYMENTS, {"replicas": 0, "paused": True}, {"replicas": 0}, False),
        (DEPLOYMENTS, {"replicas": 1}, {"replicas": 3, "paused": True, "strategy": {"type": "Recreate"}}, False),
        (DEPLOYMENTS, {"replicas": 1}, {"replicas": 3, "fieldOfAnotherDay": 1}, True),
        (REPLICATION_CONTROLLERS, {"replicas": 1}, {"replicas": 3}, True),
        (REPLICATION_CONTROLLERS, {"replicas": 1}, {"replicas": 1, "selector": {"a": "b"}}, True),
        (STATEFUL_SETS, {"replicas": 1}, {"replicas": 3}, False),
        (STATEFUL_SETS, {"replicas": 1}, {"replicas": 1, "ordinals": {"start": 5}}, True),
        (STATEFUL_SETS, {"replicas": 1} | _BY_HAND, {"replicas": 3} | _BY_HAND, True),
        (STATEFUL_SETS, {"replicas": 1} | _HELD, {"replicas": 3} | _HELD, True),
        (STATEFUL_SETS, {"replicas": 3} | _HELD, {"replicas": 1} | _HELD, False),
        (STATEFUL_SETS, {"replicas": 1} | _HELD, {"replicas": 1}, True),
        (DAEMON_SETS, _BY_HAND, {"updateStrategy": {"type": "RollingUpdate"}}, True),
        (DAEMON_SETS, _AT_ONCE, {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {}}}, False),
        (DAEMON_SETS, {}, {"minReadySeconds": 3}, False),
    ],
)
def test_what_has_pods_run_that_did_not_is_asked_about_as_whom(
    resource: GroupResource, before: dict[str, Any], after: dict[str, Any], starts: bool
) -> None:
    """Who wrote the workload was asked about nothing; and what runs already may go on."""
    runs = _TIMED if resource == CRON_JOBS else _RUNS
    labelled = runs | {"template": {"metadata": {"labels": {"a": "b"}}, **_RUNS["template"]}}
    if resource == CRON_JOBS:
        labelled = runs | {"jobTemplate": {"metadata": {"labels": {"a": "b"}}, **_TIMED["jobTemplate"]}}
    for also in (runs, labelled):
        started = update(target(resource), old={"spec": runs | before}, new={"spec": also | after})
        assert [asked.account.name for asked in _asked(started)] == (["worker"] if starts else [])


@pytest.mark.parametrize(
    ("before", "after", "starts"),
    [
        ({"suspend": True}, {"suspend": False}, True),
        ({"parallelism": 0}, {"parallelism": 1}, True),
        ({}, {"completions": 3}, True),
        ({"suspend": True}, {"suspend": True, "parallelism": 3}, False),
        ({}, {"suspend": True}, False),
        ({}, {"ttlSecondsAfterFinished": 3}, False),
    ],
)
def test_what_has_a_cron_jobs_jobs_run_is_asked_about_as_whom(
    before: dict[str, Any], after: dict[str, Any], starts: bool
) -> None:
    """It lies below the template of its Jobs, beside their pods."""
    old, new = ({"spec": {"schedule": "@daily", "jobTemplate": {"spec": _RUNS | job}}} for job in (before, after))
    asked = _asked(update(target(CRON_JOBS), old=old, new=new))
    assert [each.account.name for each in asked] == (["worker"] if starts else [])


@pytest.mark.parametrize(
    ("resource", "status", "starts"),
    [
        (CRON_JOBS, {"lastScheduleTime": "2026-11-01T00:00:00Z"}, True),
        (CRON_JOBS, {"active": []}, True),
        (CRON_JOBS, {"lastSuccessfulTime": "2026-11-01T00:00:00Z"}, False),
        (JOBS, {"succeeded": 0}, True),
        (DEPLOYMENTS, {"readyReplicas": 0}, False),
        (DAEMON_SETS, {"numberReady": 0}, False),
        (STATEFUL_SETS, {"conditions": []}, False),
    ],
)
def test_a_status_by_which_pods_come_to_run_is_asked_about_as_whom(
    resource: GroupResource, status: dict[str, Any], starts: bool
) -> None:
    """A controller goes by what it has written there, and believes whoever else writes it."""
    whole: dict[str, Any] = {"spec": _TIMED if resource == CRON_JOBS else _RUNS | {"replicas": 1}, "status": {}}
    written = update(target(resource), old=whole, new=whole | {"status": status}, subResource="status")
    assert [each.account.name for each in _asked(written)] == (["worker"] if starts else [])
    stopped = whole["spec"] | {"suspend": True, "replicas": 0}
    if resource in {CRON_JOBS, JOBS}:
        still = update(target(resource), old={"spec": stopped}, new={"spec": stopped, "status": status})
        assert _asked(still) == [], "it stays suspended"


def test_agents_choose_no_former_template_that_nobody_looks_up() -> None:
    """By the status of a StatefulSet, or by the annotation on whose word a Deployment is rolled back."""
    whole: dict[str, Any] = {"spec": _RUNS | {"replicas": 1}, "status": {}}
    sets = target(STATEFUL_SETS)
    chosen: dict[str, Any] = {
        "old": whole,
        "new": whole | {"status": {"currentRevision": "worker-1"}},
        "subResource": "status",
    }
    said = "agents may not write in a status from which template pods are made"
    assert refusal(decide(update(sets, **chosen), state())) == said
    assert decide(update(sets, PERSON, **chosen), state()).allowed
    back = {"annotations": {"deprecated.deployment.rollback.to": "1"}}
    said = "agents may not roll a Deployment back by annotation deprecated.deployment.rollback.to"
    deployment = target(DEPLOYMENTS)
    assert refusal(decide(update(deployment, old=whole, new=whole | back), state())) == said
    assert refusal(decide(creation(deployment, new=whole | back), state())) == said
    for old, new in ((whole | back, whole | back), (whole | back, whole)):
        assert decide(update(deployment, old=old, new=new), state()).allowed


def test_every_workload_has_its_list_of_what_starts_nothing() -> None:
    """One that had none would be asked about at each update."""
    assert pod_starts.TABLE.keys() == POD_RUNNERS - {PODS}


def test_who_sizes_a_workload_up_from_none_is_asked_about_as_whom_it_runs() -> None:
    """The Scale does not say: the workload is read. One that cannot be is not sized."""
    for resource, strategy, before, after, starts in (
        (DEPLOYMENTS, {}, 0, 1, True),
        (DEPLOYMENTS, {}, 1, 3, False),
        (DEPLOYMENTS, {}, 3, 0, False),
        (DEPLOYMENTS, {}, 0, 0, False),
        (STATEFUL_SETS, {}, 0, 1, True),
        (STATEFUL_SETS, {}, 1, 3, False),
        (STATEFUL_SETS, _HELD, 1, 3, True),
        (STATEFUL_SETS, _HELD, 3, 1, False),
        (REPLICATION_CONTROLLERS, {}, 1, 3, True),
    ):
        asked = _asked(scale(before, after, object_=target(resource)), whole={"spec": _RUNS | strategy})
        assert [each.account.name for each in asked] == (["worker"] if starts else []), (resource, before, after)
    may = Answers(may={MAY_DELETE}, whole={"spec": _RUNS})
    refused = refusal(decide(scale(0, 1), state(policy()), answers=may))
    assert refused.startswith("agents may not act as ServiceAccount payments/worker, which may delete")
    unknown = Answers(unknown=[ReadWhole])
    assert decide(scale(0, 1), state(policy()), answers=unknown).reason is Reason.INTERNAL_ERROR
    assert decide(scale(0, 1, PERSON), state(policy()), answers=unknown).allowed
    assert decide(scale(0, 1), state(), answers=Answers(whole=None)).allowed, "it is not there"


def test_the_spec_of_other_kinds_may_be_anything() -> None:
    """Custom resources choose its shape."""
    assert _asked(creation(target(STACKS), new={"spec": {"serviceAccountName": "worker"}})) == []
    assert _asked(creation(target(STACKS), new={"spec": "text"})) == []


def test_the_guards_own_namespace_is_not_asked_about() -> None:
    """It is refused as a whole; and what has no namespace is no pod."""
    assert _asked(_pod(namespace="seconder-system")) == []
    assert _asked(connection(target(PODS, "p", ""), "exec")) == []


@pytest.mark.parametrize(("runs_as", "namespace"), [("kiro", "seconder-agents"), ("worker", "payments")])
def test_accounts_of_agents_are_not_asked_about(runs_as: str, namespace: str) -> None:
    """Reviews bind them; of their neighbours it is asked."""
    tagged = policy(agents=WORKERS)
    assert _asked(_pod(runs_as, namespace), tagged) == []
    pod = connection(target(PODS, "p", namespace), "exec")
    assert _asked(pod, tagged, runs_as=runs_as) == []
    assert _asked(_pod("other"), tagged)


def test_an_agent_runs_pods_as_itself_and_as_no_other_agent() -> None:
    """The other one's operator is another: its own could approve."""
    assert decide(_pod("kiro", "seconder-agents"), state()).allowed
    other = decide(_pod("hal", "seconder-agents"), state())
    assert refusal(other) == "agents may not act as ServiceAccount seconder-agents/hal, another agent"
    assert refusal(decide(_pod(), state(policy(agents=WORKERS)))).endswith("another agent")


def test_an_agent_does_not_shed_a_tag_or_its_tokens_end_in_a_pod() -> None:
    """The pod's token says nothing of an extra key, and is renewed for as long as the pod runs."""
    tagged = Caller(AGENT.username, frozenset(), {"seconder.dev/agent": ("x",)})
    assert refusal(decide(_pod("kiro", "seconder-agents", tagged), state())).endswith("another agent")
    mine = _pod("kiro", "seconder-agents")
    ended = decide(mine, state(token_ends={AGENT.username: 1.0}))
    assert refusal(ended).endswith("run pods as ServiceAccount seconder-agents/kiro, whose tokens have an end")
    assert decide(mine, state(token_ends={"system:serviceaccount:seconder-agents:hal": 1.0})).allowed


def test_the_first_right_refuses() -> None:
    """In a few words; without any there is no reason to. People run their pods as whom they like."""
    answers = Answers(may={MAY_DELETE})
    said = "agents may not act as ServiceAccount payments/worker, which may delete deployments.apps"
    assert refusal(decide(_pod(), state(policy()), answers=answers)) == said
    assert decide(_pod(), state(policy())).allowed
    assert decide(_pod(user=PERSON), state(policy()), answers=answers).allowed
    assert Right("create", "", "pods", "exec", "").what == "create pods/exec"


@pytest.mark.parametrize("unknown", [RunningPod, FirstRight, OwningResources])
def test_what_cannot_be_told_is_refused(unknown: Any) -> None:
    """And so is what a stale view lets through."""
    asked = state(policy())
    decided = decide(connection(POD, "exec"), asked, answers=Answers(unknown=[unknown]))
    assert decided.reason is Reason.INTERNAL_ERROR
    assert decide(_pod(), asked, answers=Answers(fresh=False)).reason is Reason.INTERNAL_ERROR
    as_itself = _pod("kiro", "seconder-agents")
    assert decide(as_itself, asked, answers=Answers(fresh=False)).reason is Reason.INTERNAL_ERROR


def test_what_policies_name_is_asked_about_where_the_account_is_and_where_they_say() -> None:
    """A wildcard through what it stands for; of cluster-scoped things without a namespace; nothing of Audit."""
    policies = [
        policy(GroupResource("apps", "*"), resolved={name: resolved(name) for name in (DEPLOYMENTS, NODES)}),
        policy(CONFIG_MAPS, name="there", namespaces=frozenset({"prod"})),
        policy(GroupResource("", "services"), name="watching", mode=Mode.AUDIT),
    ]
    asked = set(_rights(*policies))
    for verb in ("delete", "deletecollection", "patch", "update"):
        assert Right(verb, *DEPLOYMENTS, "", "payments") in asked
        assert Right(verb, *NODES, "", "") in asked
        assert Right(verb, *CONFIG_MAPS, "", "prod") in asked
        assert Right(verb, *NAMESPACES, "", "prod") in asked
    assert Right("patch", *DEPLOYMENTS, "scale", "payments") in asked
    # Nobody has a right to what there is not.
    assert not {right for right in asked if right.subresource == "scale" and right.resource == "configmaps"}
    assert Right("patch", *STACKS, "scale", "payments") in _rights(policy(STACKS))
    elsewhere = {right for right in asked if right.namespace != "default"}
    assert not {
        right
        for right in elsewhere
        if right.resource in {"services", "*"} and not right.subresource and right.group != "*"
    }
    assert Right("delete", *CONFIG_MAPS, "", "payments") not in asked


def test_what_a_policy_selects_elsewhere_is_asked_about_everywhere() -> None:
    """In its own namespace an account may do as it likes with what is free there; known anew with the labels."""
    selecting = policy(selector=(Requirement("tier", Operator.IN, frozenset({"prod"})),))
    everywhere = Right("delete", *DEPLOYMENTS, "", "")
    for labels in ({"tier": "dev"}, {"tier": "prod"}, None):
        given = Answers()
        known = {} if labels is None else {"payments": labels}
        decide(_pod(), state(selecting, namespaces=known), answers=given)
        (asked,) = given.questions(FirstRight)
        here = labels is None or labels["tier"] == "prod"
        assert (MAY_DELETE in asked.rights, everywhere in asked.rights) == (here, not here)


def test_what_owns_protected_objects_is_asked_about_and_crowds_nothing_out() -> None:
    """To delete or change it is to end these. Of agents' accounts nothing is asked."""
    without = _rights(*_far(99))
    asked = _rights(*_far(99), owning=frozenset({STACKS}))
    stacks = [Right(verb, *STACKS, "", "payments") for verb in ("delete", "deletecollection", "patch", "update")]
    assert [right for right in asked if right.resource == STACKS.resource] == stacks
    assert tuple(right for right in asked if right not in stacks) == without
    assert _asked(_pod("kiro", "seconder-agents"), policy(), owning=frozenset({STACKS})) == []


def test_where_owners_matter_is_the_accounts_own_namespace() -> None:
    """And nowhere where no policy protects from deletion."""
    for policies, asked in (([policy()], [OwningResources("payments")]), ([], [])):
        answers = Answers()
        decide(_pod(), state(*policies), answers=answers)
        assert answers.questions(OwningResources) == asked


def test_what_is_asked_is_bounded_and_its_own_namespace_comes_first() -> None:
    """More than can be asked is not known; what is asked is asked once."""
    asked = _rights(*_far(200), policy(name="z"))
    assert len(asked) == len(set(asked))
    near = [right.namespace in {"payments", ""} for right in asked]
    assert near == sorted(near, reverse=True)
    assert MAY_DELETE in asked
    assert MAY_DELETE._replace(namespace="place-0") in asked
    assert decide(_pod(), state(*_far(400))).reason is Reason.NOT_COVERED
    assert decide(_pod(), state(*_far(800))).reason is Reason.INTERNAL_ERROR


def test_every_power_is_asked_about() -> None:
    """In each place where it counts; the guard's own namespace may not be deleted either."""
    made, answers = policy(CONFIG_MAPS, namespaces=frozenset({"prod"})), Answers()
    decide(_pod(), state(made, installation=Installation(portal_host="approve.example.com")), answers=answers)
    (asked,) = answers.questions(FirstRight)
    rights = set(asked.rights)
    places = {
        Place.ANYWHERE: "",
        Place.HERE: "payments",
        **{place: place.value for place in OF_ONE_NAMESPACE},
        Place.INSTALLATION: "seconder-system",
        Place.AGENTS: "seconder-agents",
        Place.NAMED: "prod",
        Place.PORTAL: "",
        Place.NODE_FILES: "",
    }
    for power in (power for power in POWERS if power.asked):
        resource, _, subresource = power.resource.partition("/")
        for place in power.places:
            for verb in askable(power):
                assert Right(verb, power.group, resource, subresource, places[place], power.name) in rights
    assert Right("delete", *NAMESPACES, "", "seconder-system", "seconder-system") in rights


def test_nobody_acts_as_whom_nothing_binds() -> None:
    """The control plane's controllers, and those that the installer added, whatever their rights look like by now."""
    names = {account for name in BUILTIN_CONTROLLERS if (account := service_account(name))}
    installed = replace(state(), installation=Installation(controllers=frozenset({"system:serviceaccount:cd:sync"})))
    for place, name in sorted({*names, ("cd", "sync")}):
        made = decide(_pod(name, place), installed)
        assert refusal(made) == f"agents may not act as ServiceAccount {place}/{name}, of which nothing is asked"
    assert decide(_pod("sync", "cd"), state()).allowed


def test_by_what_protected_objects_are_ended_indirectly_is_asked_about() -> None:
    """By whatever the table of indirect deleters says; where it is, and in the namespaces that policies name."""
    services = policy(SERVICES, PODS, namespaces=frozenset({"payments", "prod"}))
    asked = set(_rights(services))
    for place in ("payments", "prod"):
        for verb in ("create", "delete", "deletecollection", "patch", "update"):
            assert Right(verb, *ENDPOINT_SLICES, "", place) in asked
    assert Right("delete", "networking.k8s.io", "ipaddresses", "", "") in asked
    assert Right("patch", "coordination.k8s.io", "leases", "", "kube-node-lease") in asked
    assert Right("create", *PODS, "binding", "payments") in asked
    for right in (Right("patch", *SERVICES, "status", "payments"), Right("update", *NODES, "status", "")):
        assert right in asked
    elsewhere = {right for right in _rights(policy()) if right.namespace not in {"default", "kube-node-lease"}}
    assert not {right for right in elsewhere if right.resource in {"endpointslices", "leases"}}
    # What has no namespace of its own ends what is elsewhere.
    helm = Right("delete", "helm.cattle.io", "helmcharts", "", "payments")
    assert helm in _rights(policy(SERVICES, namespaces=frozenset({"prod"})))


def test_what_is_asked_is_worked_out_once_for_a_namespace_and_its_owners() -> None:
    """With a thousand policies it takes as long as many reviews; whoever the account is, it is the same."""
    cluster = state(policy())

    def rights(namespace: str = "payments", runs_as: str = "worker", **answers: Any) -> tuple[Right, ...]:
        given = Answers(**answers)
        decide(_pod(runs_as, namespace), cluster, answers=given)
        (asked,) = given.questions(FirstRight)
        return asked.rights

    first = rights()
    assert rights(runs_as="another") is first
    assert rights("search") != first
    assert Right("delete", *STACKS, "", "payments") in rights(owning=frozenset({STACKS}))
    for number in range(20):
        rights(f"place-{number}")
    assert rights() == first


DEPLOYER = Right("delete", "apps", "deployments", "", "payments")


def _with(*secrets: str, namespace: str = "payments", user: Caller = AGENT) -> Request:
    sources = [{"secretRef": {"name": name}} for name in secrets]
    spec = {"containers": [{"name": "c", "envFrom": sources}]}
    return creation(target(PODS, "p", namespace), user, new={"spec": spec})


@dataclass(eq=False)
class _Deployers(Answers):
    """Where the ServiceAccount ``deployer`` may delete, and no other one may."""

    def __call__(self, lookup: Lookup[Any]) -> Any:
        right = super().__call__(lookup)
        return right if not isinstance(lookup, FirstRight) or lookup.account.name == "deployer" else None


def _deployers(**more: Any) -> Answers:
    return _Deployers(may={DEPLOYER}, **more)


def test_a_pod_with_a_token_acts_as_whose_it_is() -> None:
    """In a pod, in a template, and in one that is entered; people use their Secrets as they like."""
    said = "agents may not act as ServiceAccount payments/deployer, which may delete deployments.apps"
    there = {"token": "deployer", "plain": ""}
    assert refusal(decide(_with("plain", "token"), state(policy()), answers=_deployers(secrets=there))) == said
    run = {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "token"}}]}]}
    old, new = ({"spec": {"template": {"spec": run | more}}} for more in ({}, {"hostname": "x"}))
    rolled = update(target(DEPLOYMENTS, "mine"), old=old, new=new)
    assert refusal(decide(rolled, state(policy()), answers=_deployers(secrets=there))) == said
    entered = connection(POD, "exec")
    assert refusal(decide(entered, state(policy()), answers=_deployers(secrets=there, runs=run))) == said
    assert decide(_with("token", user=PERSON), state(policy()), answers=_deployers(secrets=there)).allowed


def test_ordinary_secrets_are_free_beside_whoever_may_do_more() -> None:
    """One look-up for all of them, and none without any."""
    answers = _deployers(secrets={"plain": "", "weak": "worker"}, accounts=("default", "deployer"))
    assert decide(_with("weak", "plain"), state(policy()), answers=answers).allowed
    assert answers.questions(SecretTokens) == [SecretTokens("payments", ("plain", "weak"))]
    bare = _deployers()
    assert decide(_with(), state(policy()), answers=bare).allowed
    assert bare.questions(SecretTokens) == []


def test_a_secret_that_is_not_there_may_come_to_hold_a_token() -> None:
    """Of whoever is there: refused where one of them may do more, and it is said what to do."""
    decided = decide(_with("later"), state(policy()), answers=_deployers(accounts=("default", "deployer")))
    assert refusal(decided).endswith("a Secret that the pod names cannot be seen, and may hold its token one day")
    assert decided.advice.startswith("Have the Secret made first")
    assert decide(_with("later"), state(policy()), answers=_deployers()).allowed


def test_whose_token_it_is_must_be_known() -> None:
    """Else the pod is refused."""
    decided = decide(_with("s"), state(), answers=Answers(unknown=[SecretTokens]))
    assert decided.reason is Reason.INTERNAL_ERROR


def _reads(**whose: Any) -> dict[str, TokenAccounts]:
    return {name: TokenAccounts(frozenset({other})) for name, other in whose.items()}


def test_whose_token_the_pods_account_may_read_is_who_the_pod_may_act_as() -> None:
    """With that token it reads what that one may read, and so on."""
    said = "agents may not act as ServiceAccount payments/deployer, which may delete deployments.apps"
    for readable in (_reads(worker="deployer"), _reads(worker="reader", reader="deployer", deployer="worker")):
        decided = decide(_pod(), state(policy()), answers=_deployers(readable=readable))
        reader = "worker" if len(readable) == 1 else "reader"
        assert refusal(decided) == f"{said}: ServiceAccount payments/{reader} may read its token"
        entered = connection(POD, "exec")
        runs = {"serviceAccountName": "worker"}
        assert not decide(entered, state(policy()), answers=_deployers(readable=readable, runs=runs)).allowed
        assert decide(_pod(user=PERSON), state(policy()), answers=_deployers(readable=readable)).allowed
    held = _deployers(secrets={"s": "reader"}, readable=_reads(reader="deployer"))
    assert not decide(_with("s"), state(policy()), answers=held).allowed


def test_who_reads_tokens_of_those_who_may_do_no_more_is_free() -> None:
    """In however large a circle; asked of each once, and of no agent's account."""
    answers = _deployers(readable=_reads(worker="other", other="worker"))
    assert decide(_pod(), state(policy()), answers=answers).allowed
    asked = [ReadableTokens(Account("payments", name)) for name in ("worker", "other")]
    assert answers.questions(ReadableTokens) == asked
    mine = Answers()
    assert decide(_pod("kiro", "seconder-agents"), state(policy()), answers=mine).allowed
    assert mine.questions(ReadableTokens) == []


def test_secrets_that_cannot_be_seen_may_hold_the_token_of_anybody_there() -> None:
    """Where the pod's ServiceAccount may read them all; and what is not known is refused."""
    unseen = {"worker": TokenAccounts(awaited=frozenset({"deployer"}))}
    decided = decide(_pod(), state(policy()), answers=_deployers(readable=unseen))
    assert refusal(decided).endswith("ServiceAccount payments/worker may read Secrets there, which may hold its token")
    unknown = Answers(unknown=[ReadableTokens])
    assert decide(_pod(), state(policy()), answers=unknown).reason is Reason.INTERNAL_ERROR


def test_where_too_many_could_have_a_token_there_it_is_said_what_to_do() -> None:
    """Not that it passes by itself; and where the answer is only late, that there is a quicker way."""
    crowd = "more ServiceAccounts are there than can be asked about"
    decided = decide(_with("later"), state(policy()), answers=_deployers(crowded=True))
    assert refusal(decided) == f"agents may not run pods with a Secret that cannot be seen here: {crowd}"
    assert decided.advice.startswith("Have the Secret made first")
    reads = decide(_pod(), state(policy()), answers=_deployers(readable={"worker": TokenAccounts(crowded=True)}))
    assert refusal(reads).endswith(f"worker, which may read Secrets there: {crowd}")

    class Late(Answers):
        def __call__(self, lookup: Lookup[Any]) -> Any:
            if isinstance(lookup, FirstRight) and lookup.account.name == "slow":
                raise lookup.unanswered
            return super().__call__(lookup)

    late = decide(_with("later"), state(policy()), answers=Late(accounts=["slow"]))
    assert late.reason is Reason.INTERNAL_ERROR
    assert "with the Secret made first nobody needs to ask" in late.text()


def test_the_clusters_own_secrets_are_not_for_agents_pods() -> None:
    """They are other programs' credentials. Pods without any are judged as elsewhere."""
    own = "agents may not use Secrets of the cluster's own programs"
    assert refusal(decide(_with("cloud", namespace="kube-system"), state())) == own
    assert decide(_with(namespace="kube-system"), state()).allowed


def test_no_token_of_another_agent_is_used() -> None:
    """Its operator is another."""
    spec = {"serviceAccountName": "kiro", "volumes": [{"name": "v", "secret": {"secretName": "token"}}]}
    asked = creation(target(PODS, "p", "seconder-agents"), new={"spec": spec})
    said = "agents may not act as ServiceAccount seconder-agents/hal, another agent"
    assert refusal(decide(asked, state(), answers=Answers(secrets={"token": "hal"}))) == said
    assert decide(asked, state(), answers=Answers(secrets={"token": "kiro"})).allowed
