"""Shell completion, as the real kubectl asks for it."""

from pathlib import Path

import pytest
from tests.cluster.test_plugin_approve import wish
from tests.support.cluster import Cluster, eventually
from tests.support.plugin import Plugin

_PLAIN = ":4"
"""cobra's ShellCompDirectiveNoFileComp: do not offer files."""


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin, in an empty home directory."""
    return Plugin(cluster, tmp_path)


def _complete(plugin: Plugin, *words: str) -> tuple[dict[str, str], str]:
    """Give what kubectl would hand to the shell: candidates with their descriptions, and the directive."""
    kubectl = str(plugin.cluster.stack.folder / "bin" / "kubectl")
    done = plugin.run([kubectl, "__complete", "seconder", *words], KUBECONFIG=str(plugin.cluster.alice.kubeconfig))
    assert done.code == 0, done
    *candidates, directive = done.out.splitlines()
    return {text: description for text, _, description in (line.partition("\t") for line in candidates)}, directive


def test_kubectl_offers_the_verbs(plugin: Plugin) -> None:
    """By their beginning, with what they do; and not those that only kubeconfigs name."""
    verbs, directive = _complete(plugin, "appr")
    assert (list(verbs), directive) == (["approve"], _PLAIN)
    assert "sign" in verbs["approve"]
    everything, _ = _complete(plugin, "")
    assert {"approve", "pending", "show", "revoke", "verify", "explain", "keys", "report"} <= set(everything)
    assert not {"credential", "agent-token"} & set(everything)


def test_kubectl_offers_flags_and_their_values(cluster: Cluster, plugin: Plugin) -> None:
    """Names of flags, choices, namespaces of the cluster, and files where a file is meant."""
    assert "--approvers" in _complete(plugin, "verify", "--a")[0]
    assert list(_complete(plugin, "explain", "-o", "")[0]) == ["json", "yaml"]
    assert list(_complete(plugin, "explain", "--output=y")[0]) == ["yaml"]
    assert cluster.namespace in _complete(plugin, "explain", "-n", cluster.namespace[:4])[0]
    assert _complete(plugin, "verify", "-f", "") == ({}, ":0")


def test_kubectl_offers_the_change_requests_that_wait(cluster: Cluster, plugin: Plugin) -> None:
    """Each with what it is about, to whoever may approve, show or revoke; and nothing once it is over."""
    cluster.deployment()
    chg = wish(cluster)
    for verb in ("approve", "show", "revoke"):
        found, directive = _complete(plugin, verb, "chg-")
        assert directive == _PLAIN
        assert f"Delete deployments.apps {cluster.namespace}/checkout by kiro" in found[chg]
    assert list(_complete(plugin, "approve", chg[:20])[0]) == [chg]
    cluster.human("delete", "deployment", "checkout", f"--namespace={cluster.namespace}")
    eventually(lambda: chg not in _complete(plugin, "approve", "chg-")[0], 10, "withdrawn")
    assert chg in _complete(plugin, "show", "chg-")[0]


def test_types_are_offered_without_a_space_behind(plugin: Plugin) -> None:
    """The name of the object comes next."""
    found, directive = _complete(plugin, "explain", "dep")
    assert (list(found), directive) == (["deployment.apps/"], ":6")


def test_without_a_cluster_kubectl_hears_no_complaint(plugin: Plugin) -> None:
    """Neither an error nor a made-up candidate."""
    kubectl = str(plugin.cluster.stack.folder / "bin" / "kubectl")
    done = plugin.run([kubectl, "__complete", "seconder", "approve", "chg-"], KUBECONFIG="/nowhere/at/all")
    assert (done.code, done.out) == (0, ":4\n")
    # kubectl itself says what it does there, and no shell shows that.
    assert all(line.startswith(("[Debug] ", "Completion ended with directive: ")) for line in done.err.splitlines())
