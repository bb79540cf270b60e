"""Attacks that somebody found by trying, and that worked once."""

import pytest
from tests.support.cluster import Cluster

_ANNOTATIONS = 25_000


@pytest.mark.since("1.37", "objects that are converted once for all entries")
def test_an_object_with_very_many_annotations_slows_nobody_down(cluster: Cluster) -> None:
    """CEL that looks through them all takes seconds of the API server's time, for people and agents alike.

    These writes once took it 22 s, and one write of an object with 80,000 took 20 s: nearly beyond anybody's reach.
    """
    many = {f"a{number}": "" for number in range(_ANNOTATIONS)}
    before = _looked_for(cluster)
    cluster.deployment(annotations=many)
    place = f"--namespace={cluster.namespace}"
    assert cluster.human("label", "deployment", "checkout", place, "touched=yes").code == 0
    assert cluster.agent("label", "deployment", "checkout", place, "touched=twice", "--overwrite").code == 0
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    assert cluster.delete(cluster.human).code == 0
    assert _looked_for(cluster) - before < 1.0


def test_the_tag_counts_among_very_many_annotations(cluster: Cluster) -> None:
    """Neither does hiding the annotation that marks an object as an agent's."""
    cluster.deployment(annotations={f"a{number}": "" for number in range(2_000)} | {"seconder.dev/agent": "kiro"})
    assert cluster.delete(cluster.human).refused_with("ApprovalMissing")


def _looked_for(cluster: Cluster) -> float:
    """Give for how many seconds the API server has evaluated our matchConditions so far."""
    lines = cluster.admin("get", "--raw=/metrics").splitlines()
    name = "apiserver_admission_match_condition_evaluation_seconds_sum"
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name) and "seconder.dev" in line)
