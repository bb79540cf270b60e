"""A webhook configuration that is deleted or changed is put back, whatever else the operator is doing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from tests.support.cluster import eventually

from seconder.admission.policy_index import Installation
from seconder.client.api import Api, ApiError, Fenced
from seconder.operator.certificates import Terms
from seconder.operator.configuration_keeper import Kept
from seconder.operator.reconciler import Reconciler, Settings
from seconder.operator.restorer import Restorer
from seconder.operator.webhook_configuration import Endpoint

_SOON = 5.0


class Slow:
    """An API server that keeps the configuration, and does not list policies before it is told to."""

    def __init__(self) -> None:
        self.configuration: dict[str, Any] | None = None
        self.refused: list[Any] = []
        self.asked, self.may_answer = threading.Event(), threading.Event()

    @property
    def stored(self) -> Any:
        """What it asks."""
        return (self.configuration or {}).get("webhooks")

    def find(self, _: str, **__: Any) -> dict[str, Any] | None:
        """See Api."""
        return self.configuration

    def metadata(self, _: str) -> dict[str, Any]:
        """See Api."""
        raise ApiError(404, "there is no such role")

    def items(self, _: str, **__: Any) -> tuple[list[Any], str]:
        """See Api."""
        self.asked.set()
        self.may_answer.wait()
        raise ApiError(0, "too late")

    def create(self, _: str, document: dict[str, Any]) -> dict[str, Any]:
        """See Api."""
        if document["webhooks"] in self.refused:
            raise ApiError(422, "it is not taken")
        self.configuration = document | {"metadata": document["metadata"] | {"resourceVersion": "1"}}
        return self.configuration

    replace = create


def _reconciler(api: Slow) -> Reconciler:
    place, endpoint = Installation("seconder-system", frozenset()), Endpoint("https://127.0.0.1:1", None)
    settings = Settings("seconder-system", place, endpoint, Terms(("h",)), "seconder-webhook-tls")
    return Reconciler(cast(Api, api), settings, lambda _, __: None)


def _wanted(name: str) -> dict[str, Any]:
    return {"webhooks": [{"name": name}]}


@contextmanager
def _running(restore: Callable[[], Kept], failures: list[str] | None = None) -> Iterator[tuple[Restorer, list[int]]]:
    """A restorer, and how often it said that something was put back."""
    told: list[int] = []
    failed = [] if failures is None else failures
    restorer = Restorer(restore, lambda: told.append(1), lambda _, error: failed.append(str(error)))
    restorer.start()
    yield restorer, told
    restorer.stop()
    restorer.thread.join(_SOON)
    assert not restorer.thread.is_alive()


def test_a_deleted_configuration_does_not_wait_for_a_pass_that_takes_its_time() -> None:
    """Of discovery, lists, trials, roles or certificates any may; the gate would be open so long."""
    api = Slow()
    reconciler = _reconciler(api)
    reconciler._keeper.keep(_wanted("a"), ())

    def goes_round() -> None:
        try:
            reconciler.run(datetime.now(UTC))
        except ApiError:
            return

    slow_pass = threading.Thread(target=goes_round)
    slow_pass.start()
    assert api.asked.wait(_SOON)
    with _running(reconciler.restore) as (restorer, told):
        for number in (1, 2):
            api.configuration = None
            restorer.wake()
            eventually(lambda: api.stored == _wanted("a")["webhooks"], _SOON, "it is back")
            eventually(lambda: len(told) == number, _SOON, "it is told of")  # noqa: B023 - asked at once
        assert slow_pass.is_alive()
    api.may_answer.set()
    slow_pass.join(_SOON)


def test_what_is_put_back_was_not_refused() -> None:
    """A policy came whose configuration the API server does not take, and the pass has not found out why yet."""
    api = Slow()
    reconciler = _reconciler(api)
    reconciler._keeper.keep(_wanted("a"), ())
    api.refused.append(_wanted("b")["webhooks"])
    with pytest.raises(ApiError, match="it is not taken"):
        reconciler._keeper.keep(_wanted("b"), ())
    api.configuration = None
    assert reconciler.restore().repaired
    assert api.stored == _wanted("a")["webhooks"]


def test_what_fails_is_tried_again_and_what_is_not_due_comes_later() -> None:
    """Nobody wakes it then."""
    answers: list[Kept | Exception] = [ApiError(0, "away"), Kept(again=0.05), Kept(repaired=True), Fenced("over")]

    def restore() -> Kept:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    failures: list[str] = []
    with _running(restore, failures) as (restorer, told):
        restorer.wake()
        eventually(lambda: told, _SOON, "it was put back")
        assert len(failures) == 1
        restorer.wake()
        restorer.thread.join(_SOON)
        assert not restorer.thread.is_alive()
    assert answers == []
