"""Approvals are put on objects and taken off them while others write there: none but the one that is meant goes."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.support.served import Served

from seconder.client import approval_writes
from seconder.client.api import ApiError
from seconder.client.approval_writes import Gone

_PATH = "/apis/apps/v1/namespaces/payments/deployments/checkout"
_PREFIX = "approval.seconder.dev/"


class _Object(Served):
    """The API server with one object, and what happens there before each write."""

    def __init__(self, **approvals: str) -> None:
        super().__init__()
        self.uid = "uid-1"
        self.version = 1
        self.annotations: dict[str, str] = {}
        self.meanwhile: Callable[[], None] = lambda: None
        for slug, value in approvals.items():
            self.write(slug, value)

    @property
    def document(self) -> dict[str, Any]:
        """The object as it stands."""
        version = str(self.version)
        return {"metadata": {"uid": self.uid, "resourceVersion": version, "annotations": dict(self.annotations)}}

    @property
    def slugs(self) -> dict[str, str]:
        """The approvals on it."""
        return {key.removeprefix(_PREFIX): value for key, value in self.annotations.items()}

    def write(self, slug: str, value: str | None) -> None:
        """Set an approval or take it off, as somebody else."""
        self.version += 1
        self.annotations = {
            key: text for key, text in {**self.annotations, _PREFIX + slug: value}.items() if text is not None
        }

    def _call(self, method: str, path: str, document: Any = None, **_: Any) -> Any:
        assert path == _PATH
        if method == "PATCH":
            self.meanwhile()
            self._patch(document)
        return self.document

    def _patch(self, document: Any) -> None:
        if isinstance(document, list):
            uid, there, removed = document
            key = removed["path"].removeprefix("/metadata/annotations/").replace("~1", "/")
            if uid["value"] != self.uid or there["value"] != self.annotations.get(key):
                raise ApiError(422, "testing value failed")
            self.write(key.removeprefix(_PREFIX), None)
            return
        metadata = document["metadata"]
        if metadata.get("resourceVersion", str(self.version)) != str(self.version):
            raise ApiError(409, "it was changed meanwhile")
        if metadata["uid"] != self.uid:
            raise ApiError(422, "metadata.uid: field is immutable")
        for key, value in metadata["annotations"].items():
            self.write(key.removeprefix(_PREFIX), value)


def _free(annotations: Mapping[str, str]) -> str:
    """Choose the first name that is free."""
    names = ("alice", *(f"alice-{number}" for number in range(2, 99)))
    return next(name for name in names if _PREFIX + name not in annotations)


def test_what_was_put_meanwhile_is_not_overwritten() -> None:
    """The name is chosen anew by what is there by then."""
    there = _Object()
    seen = there.document
    there.write("alice", "first")
    assert approval_writes.put(there, _PATH, seen, _free, "second")[0] == "alice-2"
    slug, stored = approval_writes.put(there, _PATH, seen, _free, "third")
    assert (slug, there.slugs) == ("alice-3", {"alice": "first", "alice-2": "second", "alice-3": "third"})
    assert stored == there.document


def test_nobody_keeps_an_approval_off_or_loses_one_by_writing_all_the_time() -> None:
    """At last it has a name of its own."""
    there = _Object()
    written: list[str] = []

    def write() -> None:
        written.append(f"other-{len(written)}")
        there.write(_free(there.annotations), written[-1])

    there.meanwhile = write
    slug, _ = approval_writes.put(there, _PATH, there.document, _free, "mine")
    assert there.slugs[slug] == "mine"
    assert set(there.slugs.values()) == {*written, "mine"}
    assert len(approval_writes.own_slug("a" * 63, "mine")) == 63
    assert approval_writes.own_slug("a", "mine") != approval_writes.own_slug("a", "yours")


def test_nothing_is_put_on_another_object_of_the_name() -> None:
    """Nor on none."""
    there = _Object()
    seen = there.document
    there.uid, there.version = "uid-2", 7
    with pytest.raises(Gone):
        approval_writes.put(there, _PATH, seen, _free, "mine")
    assert there.slugs == {}


@pytest.mark.parametrize("status", [0, 403, 422, 500])
def test_what_the_api_server_does_not_take_is_an_error(status: int) -> None:
    """It is never told as put."""
    there = _Object()

    def refuse() -> None:
        raise ApiError(status, "no")

    there.meanwhile = refuse
    with pytest.raises(ApiError, match="no"):
        approval_writes.put(there, _PATH, there.document, _free, "mine")
    there.write("alice", "mine")
    with pytest.raises(ApiError, match="no"):
        approval_writes.take(there, _PATH, there.uid, "alice", "mine")


def test_only_the_approval_that_is_meant_is_taken_off() -> None:
    """Another one may have its name by now, and another object the name of that one."""
    there = _Object(alice="old")
    there.meanwhile = lambda: there.write("alice", "new")
    assert not approval_writes.take(there, _PATH, there.uid, "alice", "old")
    assert there.slugs == {"alice": "new"}
    there.meanwhile = lambda: there.write("another", "note")
    assert approval_writes.take(there, _PATH, there.uid, "alice", "new")
    assert there.slugs == {"another": "note"}
    assert not approval_writes.take(there, _PATH, "uid-0", "another", "note")
    assert there.slugs == {"another": "note"}
