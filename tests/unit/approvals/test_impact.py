"""What goes down with a namespace: the digest that an approval names."""

import hashlib

from tests.support.builders import DEPLOYMENTS, WIDGETS, policy

from seconder.approvals.impact import Item, counted, impact


def test_the_digest_is_over_sorted_lines_of_group_resource_name_and_uid() -> None:
    """Another implementation can make the same."""
    nothing: list[Item] = []
    found = {each.resource: nothing for each in counted([])} | {
        WIDGETS: [Item("w", "3")],
        DEPLOYMENTS: [Item("b", "2"), Item("a", "1")],
    }
    lines = b"apps/deployments/a/1\napps/deployments/b/2\nexample.com/widgets/w/3\n"
    digested = impact([policy(WIDGETS)], found)
    assert digested.sha256 == hashlib.sha256(lines).hexdigest()
    assert (digested.counts["deployments"], digested.counts["widgets.example.com"]) == (2, 1)
    # What no policy names and is not built in does not count.
    assert impact([], found).sha256 == hashlib.sha256(b"".join(lines.splitlines(True)[:2])).hexdigest()
