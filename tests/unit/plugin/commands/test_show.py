"""What people are told of a change request."""

from tests.support.builders import policy
from tests.support.change_requests import NOW, recorded

from seconder.api.change_request import Phase, stamp
from seconder.plugin.commands import pending, show


def test_it_is_told_when_something_was_let_through_and_whether_that_was_seen() -> None:
    """An open one that nobody saw used; of one that ended, its end tells the rest. Nothing where nothing was."""
    status = {"last_refused_at": stamp(NOW), "allowed_at": stamp(NOW)}
    for phase, told in ((Phase.PENDING, f"{stamp(NOW)}, and not seen on the object since"), (Phase.USED, stamp(NOW))):
        request = recorded(policy(), status=status | {"phase": phase})
        (line,) = (line for line in show._record(request, "gone") if line.startswith("allowed:"))
        assert line.split(maxsplit=1)[1] == told
    assert "allowed:" not in str(show._record(recorded(policy()), "gone"))


def test_a_list_of_what_waits_tells_what_was_let_through() -> None:
    """It waits for nobody, but may be used again. What has ended is told by its end."""
    rows = []
    let = {"allowed_at": stamp(NOW)}
    for status in ({}, let, let | {"phase": Phase.USED}):
        request = recorded(policy(), status=status)
        request.metadata["creationTimestamp"] = stamp(NOW)
        rows.append(pending._row(request, None))
    waits, let_through, used = rows
    at = pending._HEADER.index("WAITS")
    assert let_through[at] == "let through"
    assert waits[at] != "let through"
    assert used[at] == "Used"
