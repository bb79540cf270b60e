"""Objects of the API server over kept connections, by the words that kubectl takes for their kinds."""

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.requests import connect

Document = Mapping[str, Any]
_JSON: Final = "application/json"
_DISCOVERY: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_SECONDS: Final = 60
_MISSING: Final = 404


class _Resource(NamedTuple):
    """Where the objects of one kind are: ``root`` is the path of its group and version."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """The path of one object or, without a name, of all of them in the namespace."""
        place = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{self.root}{place}/{self.plural}" + (f"/{name}" if name else "")


class Failed(AssertionError):
    """The API server did not do what was asked; the message is its own. Fails a test that does not expect it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code: Final = code


class Objects:
    """What one user reads and writes. A ``kind`` is a plural, a singular or a short name, with its group or without.

    The field managers are those of kubectl's commands of the same names.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._pool, self._server, self._headers = connect(kubeconfig, 1)
        self._by_word: dict[str, _Resource] = {}
        self._by_kind: dict[tuple[str, str], _Resource] = {}

    def find(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any] | None:
        """An object; None where there is none."""
        try:
            return self._ask("GET", self._of(kind).path(namespace, name))
        except Failed as error:
            if error.code != _MISSING:
                raise
            return None

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """An object that must be there."""
        return self._ask("GET", self._of(kind).path(namespace, name))

    def all(self, kind: str, namespace: str = "default") -> list[dict[str, Any]]:
        """All objects of a kind, of a namespaced one those in the namespace."""
        items: list[dict[str, Any]] = self._ask("GET", self._of(kind).path(namespace))["items"]
        return items

    def create(self, document: Document) -> dict[str, Any]:
        """Create an object, and give it as it is then."""
        return self._ask(
            "POST", f"{self._place(document)}?fieldManager=kubectl-create&fieldValidation=Strict", document
        )

    def apply(self, document: Document) -> dict[str, Any]:
        """Apply an object server-side, and give it as it is then."""
        path = f"{self._place(document)}/{document['metadata']['name']}"
        return self._ask("PATCH", f"{path}?fieldManager=kubectl&fieldValidation=Strict", document, _APPLY)

    def annotate(self, kind: str, name: str, namespace: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations, and remove those that are None."""
        path = f"{self._of(kind).path(namespace, name)}?fieldManager=kubectl-annotate"
        self._ask("PATCH", path, {"metadata": {"annotations": annotations}}, _MERGE)

    def change(self, kind: str, name: str, namespace: str, changes: Document, subresource: str = "") -> None:
        """Merge changes into an object, or into a subresource of it."""
        path = "/".join(filter(None, [self._of(kind).path(namespace, name), subresource]))
        self._ask("PATCH", path, changes, _MERGE)

    def label(self, kind: str, name: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of an object that is in no namespace, and remove those that are None."""
        path = f"{self._of(kind).path('', name)}?fieldManager=kubectl-label"
        self._ask("PATCH", path, {"metadata": {"labels": labels}}, _MERGE)

    def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        """Delete an object, without waiting for finalizers."""
        self._ask("DELETE", self._of(kind).path(namespace, name))

    def delete_all(self, kind: str, namespace: str = "default") -> None:
        """Delete all objects of a kind, of a namespaced one those in the namespace."""
        self._ask("DELETE", self._of(kind).path(namespace))

    def knows(self, kind: str) -> bool:
        """Whether the API server tells of a kind. A definition is established a moment before discovery says so."""
        word = kind.lower()
        if word not in self._by_word:
            self._discover()
        return word in self._by_word

    def _place(self, document: Document) -> str:
        kind = (document["apiVersion"], document["kind"])
        if kind not in self._by_kind:
            self._discover()
        assert kind in self._by_kind, f'no matches for kind "{kind[1]}" in version "{kind[0]}"'
        return self._by_kind[kind].path(document["metadata"].get("namespace", "default"))

    def _of(self, kind: str) -> _Resource:
        assert self.knows(kind), f'the server doesn\'t have a resource type "{kind}"'
        return self._by_word[kind.lower()]

    def _discover(self) -> None:
        """Learn all kinds anew; of two that share a word the API server's first one has it."""
        self._by_word.clear()
        self._by_kind.clear()
        for root in ("/api", "/apis"):
            for group in self._ask("GET", root, accept=_DISCOVERY)["items"]:
                for version in group["versions"]:
                    self._learn(root, group["metadata"].get("name", ""), version)

    def _learn(self, root: str, group: str, version: Document) -> None:
        in_group = f"{group}/{version['version']}".lstrip("/")
        for each in version["resources"]:
            resource = _Resource(f"{root}/{in_group}", each["resource"], each["scope"] == "Namespaced")
            self._by_kind[in_group, each["responseKind"]["kind"]] = resource
            for word in _words(each):
                self._by_word.setdefault(word, resource)
                self._by_word.setdefault(f"{word}.{group}", resource)

    def _ask(
        self, method: str, path: str, document: object = None, content: str = _JSON, accept: str = _JSON
    ) -> dict[str, Any]:
        answer = self._pool.request(
            method,
            f"{self._server}{path}",
            body=None if document is None else json.dumps(document),
            headers=self._headers | {"Content-Type": content, "Accept": accept},
            timeout=_SECONDS,
        )
        found: dict[str, Any] = answer.json()
        if answer.status >= 300:
            raise Failed(answer.status, f"{method} {path}: {answer.status} {found.get('message')}")
        return found


def _words(resource: Document) -> Iterator[str]:
    yield resource["resource"]
    yield resource["singularResource"]
    yield resource["responseKind"]["kind"].lower()
    yield from resource.get("shortNames", ())


@functools.cache
def objects_of(kubeconfig: Path) -> Objects:
    """What the user of this kubeconfig reads and writes, over one connection for all tests."""
    return Objects(kubeconfig)
