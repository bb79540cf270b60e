"""What people read of a merge: first what somebody has to do something about."""

import pytest

from seconder.plugin.gitops import check
from seconder.plugin.gitops.identity import Identity
from seconder.plugin.gitops.inventory import Controller, Inventory
from seconder.plugin.gitops.pruning import Deletion, Outcome, Plan

_MANAGED = Inventory(Controller.FLUX, "Kustomization flux-system/shop", "flux", [])


def _plan(*outcomes: Outcome) -> Plan:
    deletions = [
        Deletion(Identity("apps", "Deployment", "shop", f"d{number}"), "flux", _MANAGED.owner, None, outcome, "", "why")
        for number, outcome in enumerate(outcomes)
    ]
    return Plan(_MANAGED, deletions, [], [])


def test_what_waits_for_somebody_comes_first() -> None:
    """In the headline, and in the table."""
    told = list(check.lines(_plan(Outcome.FREE, Outcome.REFUSED, Outcome.UNKNOWN, Outcome.REFUSED), []))
    assert told[0].endswith("a merge would delete 4 objects: 1 not known, 2 need approval, 1 free")
    rows = [line.split()[0] for line in told if line.startswith("deployment.apps/")]
    assert rows == ["deployment.apps/d2", "deployment.apps/d1", "deployment.apps/d3", "deployment.apps/d0"]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNKNOWN])
def test_one_that_is_neither_approved_nor_free_fails_the_check(outcome: Outcome) -> None:
    """However many are."""
    assert _plan(Outcome.FREE, Outcome.APPROVED).passes
    assert _plan().passes
    assert not _plan(Outcome.FREE, Outcome.APPROVED, outcome).passes
