"""How attacks are told and played, without a cluster."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks import __main__ as program
from tests.attacks import playing
from tests.attacks.attack import KINDS, Attack, Layer, attacks
from tests.attacks.callers import Answer
from tests.attacks.field import RECORDS, Field, GotThrough, Untried, layer_of
from tests.attacks.playing import Outcome, Result

from seconder.admission.indirect import table

_ROOT = Path(__file__).parents[3]
_PAGE = (_ROOT / "docs" / "threat-model.md").read_text()
_ONE = attacks()[0]


def test_the_threat_model_lists_every_attack_and_no_other() -> None:
    """In the table that is made of them, by name."""
    section = _PAGE.partition("<!-- made by make generate: attacks -->")[2].partition("<!-- end -->")[0]
    listed = re.findall(r"`([a-zA-Z0-9-]+)`", section)
    assert sorted(listed) == sorted(each.name for each in attacks())


def test_the_attacks_that_the_threat_model_rests_on_exist() -> None:
    """Wherever it names one as its proof."""
    named = set(re.findall(r"attack `([a-zA-Z0-9-]+)`", _PAGE))
    assert named - {each.name for each in attacks()} == set()


def test_every_module_of_attacks_is_played() -> None:
    """One file for each kind."""
    files = {file.stem for file in (_ROOT / "tests" / "attacks").glob("*.py")}
    assert files - {"__init__", "__main__", "attack", "callers", "documents", "field", "playing"} == set(KINDS)
    assert {each.kind for each in attacks()} == set(KINDS)


@pytest.mark.parametrize("words", [[], ["owners"], ["--kubeconfig=a"]])
def test_no_cluster_is_attacked_by_mistake(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever runs it says that nobody relies on the cluster, before anything is read."""
    assert program.main(words) == 2
    assert "--yes-this-is-a-test-cluster" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no-such-kind"], "called no-such-kind"),
        (["--yes-this-is-a-test-cluster", "--kubeconfig=a"], "give both"),
        (["--yes-this-is-a-test-cluster", "--kubeconfig=a", "--agent-kubeconfig=b"], "a"),
    ],
)
def test_what_is_wrong_is_told(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with its own exit code."""
    assert program.main(words) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_they_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a cluster."""
    assert program.main(["--list", "claims"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(attacks("claims"))


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([Outcome.HELD, Outcome.UNTRIED], 0),
        ([Outcome.HELD, Outcome.GOT_THROUGH], 1),
        ([Outcome.UNTRIED], 3),
        ([Outcome.GOT_THROUGH, Outcome.UNTRIED], 1),
    ],
)
def test_what_got_through_is_an_exit_code(outcomes: list[Outcome], code: int) -> None:
    """And nothing that could be tried is another."""
    said: list[str] = []
    assert playing.report((Result(_ONE, outcome, "because") for outcome in outcomes), said.append) == code
    assert said[0] == _ONE.kind
    assert said[-1].startswith(f"{len(outcomes)} attacks: ")


@pytest.mark.parametrize(
    ("code", "words", "layer"),
    [
        (403, 'admission webhook "guard.seconder.dev" denied the request: no', "webhook"),
        (
            403,
            "forbidden: ValidatingAdmissionPolicy 'p' denied request: no",
            "admission policy",
        ),
        (403, 'deployments.apps "x" is forbidden: User "kiro" cannot delete resource "deployments"', "authorizer"),
        (500, 'Internal error occurred: failed calling webhook "x": timeout', "failing webhook"),
        (404, "not found", ""),
        (422, "invalid", ""),
        (0, "no answer", ""),
    ],
)
def test_a_layer_is_told_by_its_words(code: int, words: str, layer: str) -> None:
    """What is no refusal has none."""
    assert layer_of(Answer(code, {}, words)) == layer


class _Cluster:
    """Makes and deletes whatever it is asked to; lets the agent's requests through, or fails."""

    def __init__(self, code: int = 200) -> None:
        self.code = code
        self.asked: list[tuple[str, str]] = []

    def __call__(self, method: str, path: str, document: object = None, kind: str = "") -> Answer:
        self.asked.append((method, path))
        return Answer(self.code, {"metadata": {"name": "made"}}, "")


def _played(run: object, admin: _Cluster) -> Result:
    one = Attack("one", "kind", "does", "", (Layer.WEBHOOK,), run)  # type: ignore[arg-type]
    return playing.play(one, admin, _Cluster(), "attack-1")  # type: ignore[arg-type]


def _refusing(_: Field) -> None:
    return


def _through(field: Field) -> None:
    field.refused("DELETE", "/x")


def _unable(_: Field) -> None:
    raise Untried("no such kind")


@pytest.mark.parametrize(
    ("run", "outcome"), [(_refusing, Outcome.HELD), (_through, Outcome.GOT_THROUGH), (_unable, Outcome.UNTRIED)]
)
def test_whatever_happens_the_namespace_goes(run: object, outcome: Outcome) -> None:
    """After the attack."""
    admin = _Cluster()
    assert _played(run, admin).outcome is outcome
    assert admin.asked[-1] == ("DELETE", "/api/v1/namespaces/made")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_is_stopped_takes_away_what_it_made(error: type[BaseException]) -> None:
    """By Ctrl-C, or by a fault of its own."""

    def stopped(field: Field) -> None:
        field.later_removed("/a/policy")
        raise error

    admin = _Cluster()
    with pytest.raises(error):
        _played(stopped, admin)
    assert admin.asked[-2:] == [("DELETE", "/a/policy"), ("DELETE", "/api/v1/namespaces/made")]


def test_what_was_recorded_of_an_attack_goes_with_it() -> None:
    """An agent has so many places for records, and there are more attacks. Those of others stay."""
    about = ({"namespace": "attack-1", "name": "x"}, {"name": "attack-1"}, {"namespace": "theirs", "name": "x"})
    records = [{"metadata": {"name": f"chg-{n}"}, "spec": {"object": each}} for n, each in enumerate(about)]

    class _Recording(_Cluster):
        def __call__(self, method: str, path: str, document: object = None, kind: str = "") -> Answer:
            answer = super().__call__(method, path, document, kind)
            return Answer(200, {"items": records}, "") if (method, path) == ("GET", RECORDS) else answer

    admin = _Recording()
    assert _played(_refusing, admin).outcome is Outcome.HELD
    gone = [path.rpartition("/")[2] for method, path in admin.asked if method == "DELETE" and RECORDS in path]
    assert gone == ["chg-0", "chg-1"]


def test_what_cannot_be_prepared_was_not_tried() -> None:
    """And is no success."""
    results = playing.play_all([_ONE], _Cluster(500), _Cluster())  # type: ignore[arg-type]
    assert [result.outcome for result in _each(results)] == [Outcome.UNTRIED]


def _each(results: Iterator[Result]) -> list[Result]:
    return list(results)


def test_a_refusal_that_is_none_is_no_success() -> None:
    """What the API server does not know was not refused."""
    field = Field(_Cluster(), _Cluster(404), "x")  # type: ignore[arg-type]
    with pytest.raises(Untried):
        field.refused("DELETE", "/x")
    with pytest.raises(GotThrough):
        Field(_Cluster(), _Cluster(), "x").refused("DELETE", "/x")  # type: ignore[arg-type]


_ROWS = {
    "accurate.cybozu.com/subnamespaces": "delete-an-alias-Accurate",
    "apiextensions.k8s.io/customresourcedefinitions": "change-the-definition-unserve",
    "apps/controllerrevisions": "change-their-revision-delete",
    "apps/daemonsets": "make-a-workload-over-it-DaemonSet",
    "apps/deployments": "make-a-workload-over-it-Deployment",
    "apps/replicasets": "delete-its-replica-sets",
    "apps/statefulsets": "delete-claims-by-their-retention-and-scale-down",
    "autoscaling/horizontalpodautoscalers": "autoscale-where-claims-go",
    "autoscaling.k8s.io/verticalpodautoscalers": "restart-their-pods",
    "keda.sh/scaledobjects": "scale-to-zero-by-an-event",
    "/bindings": "bind-it-nowhere-bindings",
    "chaos-mesh.org/podchaos": "have-a-program-end-what-it-selects-Chaos-Mesh",
    "chaos-mesh.org/schedules": "have-a-program-end-what-it-selects-Chaos-Mesh-schedule",
    "chaos-mesh.org/workflows": "have-a-program-end-what-it-selects-Chaos-Mesh-workflow",
    "cluster.x-k8s.io/machines": "end-the-machine-of-a-node-Cluster-API",
    "discovery.k8s.io/endpointslices": "answer-for-its-service",
    "/services": "end-endpoints-with-their-service-deleting",
    "/endpoints": "answer-for-its-service",
    "flagger.app/canaries": "have-a-canary-take-it-over",
    "apps.projectsveltos.io/cleaners": "have-a-program-end-what-it-selects-Sveltos",
    "chaos.datadoghq.com/disruptions": "have-a-program-end-what-it-selects-Datadog",
    "karpenter.sh/nodeclaims": "end-the-machine-of-a-node-Karpenter",
    "kube-green.com/sleepinfos": "have-a-program-end-what-it-selects-kube-green",
    "nodemaintenance.medik8s.io/nodemaintenances": "have-a-program-end-what-it-selects-Medik8s",
    "velero.io/restores": "have-a-program-end-what-it-selects-Velero",
    "kyverno.io/cleanuppolicies": "have-a-program-end-what-it-selects-Kyverno-here",
    "kyverno.io/clustercleanuppolicies": "have-a-program-end-what-it-selects-Kyverno",
    "lifecycle.k8s.io/evictionrequests": "ask-for-its-eviction-EvictionRequest",
    "lifecycle.k8s.io/evictions": "ask-for-its-eviction-Eviction",
    "litmuschaos.io/chaosengines": "have-a-program-end-what-it-selects-Litmus",
    "machine.openshift.io/machines": "end-the-machine-of-a-node-OpenShift",
    "networking.k8s.io/ingressclasses": "delete-the-class-of-its-ingress",
    "networking.k8s.io/ingresses": "share-its-host-by-a-longer-path",
    "networking.k8s.io/networkpolicies": "add-to-its-network-policy-to-all-pods",
    "policies.kyverno.io/deletingpolicies": "have-a-program-end-what-it-selects-Kyverno-by-CEL",
    "policies.kyverno.io/namespaceddeletingpolicies": "have-a-program-end-what-it-selects-Kyverno-by-CEL-here",
    "velero.io/deletebackuprequests": "ask-for-the-end-of-its-backup",
    "coordination.k8s.io/leases": "take-the-nodes-lease",
    "batch/cronjobs": "take-the-name-of-what-it-makes-CronJob",
    "batch/jobs": "have-its-owner-end-by-itself",
    "capsule.clastix.io/tenants": "delete-an-alias-Capsule",
    "cluster.loft.sh/spaces": "delete-an-alias-loft",
    "helm.cattle.io/helmcharts": "delete-an-alias-k3s",
    "hnc.x-k8s.io/subnamespaceanchors": "delete-an-alias-HNC",
    "/namespaces": "delete-the-namespace-of-an-alias-HNC",
    "/nodes": "delete-its-node",
    "/persistentvolumeclaims": "claim-a-volume-by-its-name",
    "/persistentvolumes": "take-its-volume",
    "networking.k8s.io/ipaddresses": "take-its-address",
    "/pods": "evict-plainly",
    "groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents": "take-the-content-of-its-snapshot",
    "groupsnapshot.storage.k8s.io/volumegroupsnapshots": "take-the-content-of-its-snapshot",
    "snapshot.storage.k8s.io/volumesnapshotcontents": "take-the-content-of-its-snapshot",
    "snapshot.storage.k8s.io/volumesnapshots": "take-the-content-of-its-snapshot",
    "snapshot.storage.k8s.io/volumesnapshotclasses": "make-the-default-class-of-snapshots",
    "groupsnapshot.storage.k8s.io/volumegroupsnapshotclasses": "make-the-default-class-of-snapshots-of-groups",
    "scheduling.k8s.io/priorityclasses": "make-the-default-class-of-pods",
    "storage.k8s.io/csinodes": "say-that-its-node-has-no-drivers",
    "storage.k8s.io/storageclasses": "offer-a-class",
    "storage.k8s.io/volumeattributesclasses": "offer-a-class-of-attributes",
    "storagemigration.k8s.io/storageversionmigrations": "have-all-of-a-kind-stored-anew",
    "storage.k8s.io/volumeattachments": "detach-its-volume",
    "project.openshift.io/projects": "delete-an-alias-OpenShift",
    "/replicationcontrollers": "let-a-replica-set-take-it-later",
    "resource.k8s.io/devicetaintrules": "taint-its-devices-rule",
    "resource.k8s.io/resourceclaims": "take-its-devices",
    "resource.k8s.io/resourceslices": "taint-its-devices-slice",
    "/serviceaccounts": "take-a-token-with-its-account",
    "tenancy.kiosk.sh/spaces": "delete-an-alias-kiosk",
}
"""Kinds on whose word controllers end others, and an attack by each."""


def test_every_row_of_the_table_of_indirect_deleters_has_an_attack() -> None:
    """On a real API server."""
    rows = {f"{group}/{plural}" for group, plural in table.deleters()}
    # "any kind" is the garbage collector's.
    elsewhere = (row.kind.partition(".") for row in table.ELSEWHERE if " " not in row.kind)
    rows |= {f"{group}/{plural}" for plural, _, group in elsewhere}
    assert _ROWS.keys() == rows
    assert set(_ROWS.values()) <= {each.name for each in attacks()}
