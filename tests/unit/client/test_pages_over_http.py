"""Lists of large objects, from a real HTTP server: no page is kept that is larger than a bound."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.client.test_watch_over_http import Handler, Query, Server

from seconder.client.api import ApiError

MIB = 1024 * 1024
PATH = "/things"


@pytest.fixture
def served() -> Iterator[Server]:
    """An API server on loopback."""
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def _serve(server: Server, sizes: list[int], *, chunked: bool = False) -> list[tuple[int, int]]:
    """Serve objects with labels of these sizes; give a list that gets each page's number of objects and bytes."""
    pages: list[tuple[int, int]] = []

    def answer(handler: Handler, query: Query) -> None:
        first = int(query.get("continue", 0))
        last = min(len(sizes), first + int(query["limit"]))
        items: list[Any] = [
            {"metadata": {"name": f"o{number}", "labels": {"x": "y" * sizes[number]}}} for number in range(first, last)
        ]
        after = {"continue": str(last)} if last < len(sizes) else {}
        body = json.dumps({"metadata": {"resourceVersion": "7"} | after, "items": items}).encode()
        pages.append((len(items), len(body)))
        if not chunked:
            handler.whole(body)
            return
        handler.begin()
        for part in range(0, len(body), 65536):
            handler.chunk(body[part : part + 65536])
        handler.chunk(b"")

    server.serve(PATH, answer)
    return pages


@pytest.mark.long
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [10, MIB // 2, 3 * MIB])
def test_all_objects_of_a_list_come_however_large_they_are(served: Server, size: int, *, chunked: bool) -> None:
    """Each once, in pages that hold no more than 2 MiB where they hold more than one."""
    sizes = [10] * 40 + [size] * 12 + [10] * 40
    pages = _serve(served, sizes, chunked=chunked)
    given, kept = [], []
    for items, version in served.api.pages(PATH, metadata_only=True):
        assert version == "7"
        given += [item["metadata"]["name"] for item in items]
        kept.append((len(items), sum(len(item["metadata"]["labels"]["x"]) for item in items)))
    assert given == [f"o{number}" for number in range(len(sizes))]
    assert all(held <= 2 * MIB for number, held in kept if number > 1)
    assert len(pages) < 60, "what does not fit is not asked for over and over"


def test_a_list_that_does_not_come_in_time_is_asked_for_in_smaller_pages(served: Server) -> None:
    """At each further attempt, until it comes; and so at once from then on."""
    asked: list[int] = []
    late = threading.Event()
    sizes = [1] * 20

    def answer(handler: Handler, query: Query) -> None:
        asked.append(int(query["limit"]))
        if asked[-1] > 10:
            late.wait(10)
            return
        first = int(query.get("continue", 0))
        last = min(len(sizes), first + asked[-1])
        after = {"continue": str(last)} if last < len(sizes) else {}
        items = [{"metadata": {"name": f"o{number}"}} for number in range(first, last)]
        handler.whole(json.dumps({"metadata": {"resourceVersion": "7"} | after, "items": items}).encode())

    served.serve(PATH, answer)
    for _ in range(2):
        with pytest.raises(ApiError, match="no answer in time"):
            served.api.items(PATH, timeout=0.5)
    for _ in range(2):
        assert len(served.api.items(PATH)[0]) == len(sizes)
    late.set()
    assert asked == [500, 62, 7, 7, 7, 7, 7, 7]


def test_a_list_that_did_not_fit_begins_as_it_came(served: Server) -> None:
    """And is asked for in larger pages again where these fit."""
    sizes = [MIB] * 2 + [1] * 600
    pages = _serve(served, sizes)
    served.api.items(PATH)
    tried = len(pages)
    assert pages[0][0] == 500
    sizes[:2] = [1, 1]
    served.api.items(PATH)
    assert 1 < pages[tried][0] < 500
    served.api.items(PATH)
    assert pages[-2][0] > pages[tried][0]


def test_one_page_that_is_asked_for_is_smaller_where_objects_are_large(served: Server) -> None:
    """As much of it as fits, and where the rest is."""
    _serve(served, [MIB] * 30)
    items, token = served.api.page(PATH, timeout=10.0, limit="500")
    assert (len(items), token) == (1, "1")


def test_a_list_of_very_many_objects_is_given_up(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its pages hold."""
    monkeypatch.setattr("seconder.client.api._MOST_ITEMS", 1000)
    _serve(served, [1] * 2000)
    with pytest.raises(ApiError, match="too many items"):
        list(served.api.pages(PATH))
