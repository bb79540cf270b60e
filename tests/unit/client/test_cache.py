"""What a view of the cluster rests on, and when it is too old for approvals to count."""

import pytest
from tests.support.builders import policy
from tests.support.served import Served

from seconder.admission.policy_index import Installation
from seconder.api.label_selector import Operator, Requirement
from seconder.client.cache import Cache
from seconder.client.watch import Watch


def test_labels_that_were_not_seen_lately_make_a_view_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where some policy selects by them; ``fresh`` and ``age`` go by the same watches."""
    monkeypatch.setattr(Watch, "start", lambda _: None)
    ages: dict[str, float] = {}
    monkeypatch.setattr(Watch, "age", lambda watch: ages.get(watch._path, 0.0))
    cache = Cache(Served(), Installation(), lambda *_: None)
    ages["/api/v1/namespaces"] = 61.0
    cache._take_policies({"plain": [policy()]})
    assert (cache.fresh(), cache.age()) == (True, 0.0)
    selector = (Requirement("tier", Operator.EXISTS, frozenset()),)
    cache._take_policies({"selecting": [policy(selector=selector)]})
    assert (cache.fresh(), cache.age()) == (False, 61.0)
    ages["/api/v1/namespaces"] = 1.0
    assert (cache.fresh(), cache.age()) == (True, 1.0)
    ages["/api/v1/namespaces"] = 61.0
    cache._take_policies({"plain": [policy()]})
    assert (cache.fresh(), cache.age()) == (True, 0.0)
