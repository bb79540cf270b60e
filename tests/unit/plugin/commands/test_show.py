"""What people are told of a change request."""

from tests.support.builders import policy
from tests.support.change_requests import NOW, recorded

from seconder.api.change_request import ApprovalDoc, Phase, UseDoc, stamp
from seconder.plugin.commands import pending, show


def test_it_is_told_when_something_was_let_through_and_whether_that_was_seen() -> None:
    """An open one that nobody saw used; of one that ended, its end tells the rest. Nothing where nothing was."""
    status = {"last_refused_at": stamp(NOW), "allowed_at": stamp(NOW)}
    for phase, told in ((Phase.PENDING, f"{stamp(NOW)}, and not seen on the object since"), (Phase.USED, stamp(NOW))):
        request = recorded(policy(), status=status | {"phase": phase})
        (line,) = (line for line in show._record(request, "gone") if line.startswith("allowed:"))
        assert line.split(maxsplit=1)[1] == told
    assert "allowed:" not in str(show._record(recorded(policy()), "gone"))


def test_it_is_told_what_it_was_let_through_for_before() -> None:
    """Also once it was asked for again, and nothing of that has been let through."""
    use = UseDoc(allowed_at=stamp(NOW), approvals=[ApprovalDoc(name="a", approver="alice")], phase="Used", ended_at="x")
    told = show._record(recorded(policy(), status={"uses": [use]}), "1 peer")
    (line,) = (line for line in told if line.startswith("used:"))
    assert line.split(maxsplit=1)[1] == f"{stamp(NOW)}, approved by alice; Used at x"


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
