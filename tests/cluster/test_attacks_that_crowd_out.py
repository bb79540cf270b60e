"""An agent that makes approving impossible, or the protection miss its object."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cluster import Cluster, Result

_FULL = 256 * 1024


def _annotate(
    who: Callable[..., Result], namespace: str, folder: Path, annotations: dict[str, str | None], *more: str
) -> str:
    """Annotate the Deployment; give the error, if any. A file, since a command line holds 128 KiB a word."""
    patch = folder / "patch.json"
    patch.write_text(json.dumps({"metadata": {"annotations": annotations}}))
    found = who("patch", "deployment", "checkout", "-n", namespace, "--type=merge", f"--patch-file={patch}", *more)
    return "" if found.code == 0 else found.err


@pytest.mark.parametrize("subresource", ["", "status"])
@pytest.mark.parametrize(("count", "each"), [(2, 100_000), (400, 500)])
def test_filling_an_objects_annotations_is_refused(
    cluster: Cluster, tmp_path: Path, subresource: str, count: int, each: int
) -> None:
    """A few large ones or many small ones, through the object or its status: eight approvals find room beside them."""
    cluster.deployment()
    more = [f"--subresource={subresource}"] if subresource else []
    filling: dict[str, str | None] = {f"fill/{number}": "x" * each for number in range(count)}
    assert "no approval finds room" in _annotate(cluster.agent, cluster.namespace, tmp_path, filling, *more)
    cluster.approve(cluster.alice)
    assert cluster.delete(cluster.agent).code == 0


def test_annotations_of_ordinary_size_stay_free(cluster: Cluster, tmp_path: Path) -> None:
    """A hundred KiB of them, too; and an object that a person filled can be emptied."""
    cluster.deployment()
    assert _annotate(cluster.agent, cluster.namespace, tmp_path, {"big": "x" * 100_000}) == ""
    full: dict[str, str | None] = {"more": "x" * (_FULL - 110_000)}
    assert _annotate(cluster.human, cluster.namespace, tmp_path, full) == ""
    assert _annotate(cluster.agent, cluster.namespace, tmp_path, {"big": None}) == ""


def test_an_objects_labels_decide_nothing(cluster: Cluster) -> None:
    """Whatever an agent writes there."""
    cluster.deployment()
    labels = ("seconder.dev/exempt=true", "tier=control-plane", "app=other")
    assert cluster.agent("label", "deployment", "checkout", "--overwrite", *labels, "-n", cluster.namespace).code == 0
    assert cluster.agent("label", "namespace", cluster.namespace, "--overwrite", *labels).code == 0
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_an_agent_takes_the_agents_annotation_off_no_object_and_puts_it_on_none(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Who asks is an agent by its identity."""
    cluster.deployment(annotations={"seconder.dev/agent": "kiro"})
    assert "(ProtectedConfiguration)" in _annotate(
        cluster.agent, cluster.namespace, tmp_path, {"seconder.dev/agent": None}
    )
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
