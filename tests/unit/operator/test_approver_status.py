"""The verdict on Approvers: which keys count, alone and against all the others."""

from typing import Any

from tests.support import signing

from seconder.operator.approver_status import Judged, judge


def _document(name: str, *keys: str, principal: str = "", before: Any = None) -> dict[str, Any]:
    spec = {
        "principal": principal or f"{name}@example.com",
        "kubernetesUsers": [f"{name}@example.com"],
        "keys": [{"name": f"key-{number}", "ssh": line} for number, line in enumerate(keys)],
    }
    return {"metadata": {"name": name, "generation": 1}, "spec": spec, "status": before or {}}


def _conditions(judged: Judged) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in judged.status["conditions"]}


ALICE, BOB = signing.key("alice").line, signing.key("bob").line


def test_a_good_approver_is_ready_with_its_fingerprints() -> None:
    """As ssh-keygen prints them."""
    [judged] = judge([_document("alice", ALICE)]).approvers
    assert _conditions(judged) == {"Ready": ("True", "KeysCount")}
    assert judged.status["keys"][0]["fingerprint"] == signing.ssh_fingerprint(ALICE)
    assert judged.counting == [("ssh", "Software")]


def test_a_key_of_two_approvers_counts_in_neither() -> None:
    """Condition Duplicate, on both; the other keys count."""
    first, second = judge([_document("alice", ALICE, BOB), _document("bob", BOB)]).approvers
    assert _conditions(first) == {"Ready": ("True", "KeysCount"), "Duplicate": ("True", "SharedWithAnotherApprover")}
    assert _conditions(second) == {
        "Ready": ("False", "NoUsableKey"),
        "Duplicate": ("True", "SharedWithAnotherApprover"),
    }
    assert [bool(key["problem"]) for key in first.status["keys"]] == [False, True]


def test_a_principal_of_two_approvers_counts_in_neither() -> None:
    """Nobody can tell whose approval it would be."""
    judged = judge([_document("alice", ALICE), _document("alice2", BOB, principal="alice@example.com")]).approvers
    assert [each.counting for each in judged] == [[], []]


def test_one_that_cannot_be_parsed_spoils_no_other() -> None:
    """In their order, each with its own status."""
    broken = _document("broken", ALICE) | {"spec": {"principal": 7}}
    judged = judge([broken, _document("bob", BOB), broken | {"spec": None}]).approvers
    assert [_conditions(each)["Ready"] for each in judged] == [
        ("False", "SpecInvalid"),
        ("True", "KeysCount"),
        ("False", "SpecInvalid"),
    ]


def test_judging_again_changes_nothing() -> None:
    """Times of transition are kept while a condition stays as it is."""
    [first] = judge([_document("alice", ALICE)]).approvers
    assert judge([_document("alice", ALICE, before=first.status)]).approvers[0].status == first.status


def test_a_user_name_that_stands_for_two_is_a_condition_on_both() -> None:
    """They stay approvers: neither is a peer of whoever comes under that name."""
    first, second = _document("alice", ALICE), _document("bob", BOB)
    first["spec"]["kubernetesUsers"] = ["arn:aws:sts::1:assumed-role/*"]
    second["spec"]["kubernetesUsers"] = ["arn:aws:sts::1:assumed-role/Admin/bob"]
    for judged, other in zip(judge([first, second]).approvers, ("bob", "alice"), strict=True):
        assert _conditions(judged)["Ready"] == ("True", "KeysCount")
        assert _conditions(judged)["SharedUserName"] == ("True", "StandsForAnotherApprover")
        assert f"approver {other} too" in judged.status["conditions"][-1]["message"]


def test_a_pattern_that_fits_agents_accounts_is_told() -> None:
    """Whoever wrote it would wonder why none of their approvals count."""
    document = _document("alice", ALICE)
    document["spec"]["kubernetesUsers"] = ["*:*"]
    [judged] = judge([document]).approvers
    assert _conditions(judged)["SharedUserName"] == ("True", "StandsForServiceAccounts")
