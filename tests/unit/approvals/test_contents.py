"""What goes down with a namespace, and what must be asked to know it."""

import hashlib

from seconder.api.policy import Policy, ResolvedResource
from seconder.api.resources import GroupResource
from seconder.approvals.impact import Item, counted, impact, lookups

PODS = ResolvedResource(GroupResource("", "pods"), "v1", namespaced=True, custom=False)
NODES = ResolvedResource(GroupResource("", "nodes"), "v1", namespaced=False, custom=False)
DEPLOYMENTS = ResolvedResource(GroupResource("apps", "deployments"), "v1", namespaced=True, custom=False)
WIDGETS = ResolvedResource(GroupResource("example.com", "widgets"), "v2", namespaced=True, custom=True)


def _policy(*resolved: ResolvedResource) -> Policy:
    return Policy("p", resolved={each.resource: each for each in resolved})


def test_nothing_is_asked_where_nothing_is_held() -> None:
    """Cluster-scoped kinds lie in no namespace."""
    assert lookups("payments", [], []) == []
    assert lookups("payments", [_policy(NODES)], []) == []


def test_one_object_is_enough_to_hold_and_all_are_wanted_to_count() -> None:
    """A kind that is both is fetched whole, once."""
    holding = lookups("payments", [_policy(PODS, DEPLOYMENTS), _policy(PODS)], [])
    assert [(each.resource, each.whole, each.namespace) for each in holding] == [
        (PODS, False, "payments"),
        (DEPLOYMENTS, False, "payments"),
    ]
    both = {each.resource: each.whole for each in lookups("payments", [_policy(PODS, DEPLOYMENTS)], [_policy(WIDGETS)])}
    assert (both[PODS], both[DEPLOYMENTS], both[WIDGETS]) == (False, True, True)


def test_the_digest_is_over_sorted_lines_of_group_resource_name_and_uid() -> None:
    """Another implementation can make the same."""
    nothing: list[Item] = []
    found = {each.resource: nothing for each in counted([])} | {
        WIDGETS.resource: [Item("w", "3")],
        DEPLOYMENTS.resource: [Item("b", "2"), Item("a", "1")],
    }
    lines = b"apps/deployments/a/1\napps/deployments/b/2\nexample.com/widgets/w/3\n"
    digested = impact([_policy(WIDGETS)], found)
    assert digested.sha256 == hashlib.sha256(lines).hexdigest()
    assert (digested.counts["deployments"], digested.counts["widgets.example.com"]) == (2, 1)
    # What no policy names and is not built in does not count.
    assert impact([], found).sha256 == hashlib.sha256(b"".join(lines.splitlines(True)[:2])).hexdigest()
