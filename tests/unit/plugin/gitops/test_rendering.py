"""What Git would have: what cannot be told for certain is a problem, never an object less."""

from pathlib import Path

import pytest

from seconder.plugin.gitops import rendering
from seconder.plugin.gitops.identity import Identity
from seconder.plugin.terminal.problem import Problem

_DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: checkout, namespace: shop}\n"


def _kubectl(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "kubectl").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


def test_a_list_and_several_documents_are_all_read(tmp_path: Path) -> None:
    """As kubectl kustomize, helm template and kubectl get -o yaml write them."""
    service = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: s}}\n"
    (tmp_path / "all.yaml").write_text(f"{_DEPLOYMENT}---\n{service}")
    found = rendering.of_file(str(tmp_path / "all.yaml"))
    assert set(found) == {Identity("apps", "Deployment", "shop", "checkout"), Identity("", "Service", "", "s")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Deployment\nmetadata: {name: x}\n", "no object"),
        ("apiVersion: v1\nkind: Service\n", "no object"),
        (_DEPLOYMENT.replace("checkout", '"${name}"'), "variable in its name"),
        ("- a\n", "no Kubernetes object"),
        ("a: [", "neither YAML nor JSON"),
    ],
)
def test_what_is_no_manifest_is_a_problem(tmp_path: Path, text: str, words: str) -> None:
    """Half of a rendering must not look like the whole."""
    (tmp_path / "all.yaml").write_text(text)
    with pytest.raises(Problem, match=words):
        rendering.of_file(str(tmp_path / "all.yaml"))


def test_a_rendering_that_fails_is_a_problem_even_where_it_printed_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of kubectl are shown."""
    _kubectl(tmp_path, monkeypatch, f"printf '{_DEPLOYMENT}'; echo 'no such file: cart.yaml' >&2; exit 1")
    with pytest.raises(Problem, match=r"is not known: no such file: cart\.yaml"):
        rendering.of_directory(str(tmp_path), "")


def test_without_kubectl_or_directory_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but kubectl is needed, and that it is."""
    with pytest.raises(Problem, match="is no directory"):
        rendering.of_directory(str(tmp_path / "missing"), "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="kubectl is not on PATH"):
        rendering.of_directory(str(tmp_path), "")


def test_a_controllers_namespace_is_put_in_by_kustomize_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an overlay outside the tree, which stays as it is."""
    tree = tmp_path / "tree"
    tree.mkdir()
    _kubectl(
        tmp_path, monkeypatch, f'cat "$2/kustomization.yaml" >&2; cd "$2" && pwd >&2; printf "{_DEPLOYMENT}"; exit 1'
    )
    with pytest.raises(Problem, match="namespace: prod") as raised:
        rendering.of_directory(str(tree), "prod")
    assert "resources: - " in str(raised.value)
    assert list(tree.iterdir()) == []
