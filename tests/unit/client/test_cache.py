"""What a view of the cluster rests on, and when it is too old for approvals to count."""

import pytest
from tests.support import signing, ssh_ca
from tests.support.builders import policy
from tests.support.served import Served

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.api.label_selector import Operator, Requirement
from seconder.client.cache import Cache
from seconder.client.clock import steady
from seconder.client.watch import Watch


def test_labels_that_were_not_seen_lately_make_a_view_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where some policy selects by them; ``fresh`` and ``age`` go by the same watches."""
    monkeypatch.setattr(Watch, "start", lambda _: None)
    cache = Cache(Served(), Installation(), lambda *_: None)

    def seen(**ages: float) -> tuple[bool, float]:
        for watch in cache._proving:
            watch.proven = steady() - ages.get(watch._path.rpartition("/")[2], 0.0)
        return cache.fresh(), round(cache.age())

    cache.take_policies(PolicyIndex([policy()]))
    assert seen(namespaces=61.0) == (True, 0.0)
    selector = (Requirement("tier", Operator.EXISTS, frozenset()),)
    cache.take_policies(PolicyIndex([policy(selector=selector)]))
    assert seen(namespaces=61.0) == (False, 61.0)
    assert seen(namespaces=1.0) == (True, 1.0)
    cache.take_policies(PolicyIndex([policy()]))
    assert seen(namespaces=61.0) == (True, 0.0)


@pytest.mark.parametrize("plural", ["protectionpolicies", "approvers", "approverauthorities", "serviceaccounts"])
def test_a_view_is_old_when_any_part_of_it_is(plural: str) -> None:
    """A certificate that was revoked meanwhile would count else; and nothing counts before all was listed once."""
    cache = Cache(Served(), Installation(), lambda *_: None)
    assert not cache.fresh()
    for watch in cache._proving:
        watch.proven = steady()
    assert cache.fresh()
    [old] = [watch for watch in cache._proving if watch._path.endswith(f"/{plural}")]
    old.proven -= 61
    assert not cache.fresh()


def test_a_view_waits_for_approvers_and_authorities_alike() -> None:
    """Either may be loaded first, and each change of one keeps the other."""
    cache = Cache(Served(), Installation(), lambda *_: None)
    cache.take_audience(signing.AUDIENCE)
    cache.take_policies(PolicyIndex([policy()]))
    cache._take_accounts({})

    def usable() -> int | None:
        return cache.state.registry.usable if cache.state else None

    cache._following._take_approvers({"alice": signing.approver("alice")})
    assert usable() is None
    cache._following._take_authorities({"engineering": ssh_ca.authority()})
    assert usable() == 2
    cache._following._take_approvers({})
    assert usable() == 1
    cache._following._take_authorities({})
    assert usable() == 0
