"""The verdict on ApproverAuthorities: which keys count, and where they stand in somebody's way."""

from typing import Any

import pytest
from tests.support import signing, ssh_ca

from seconder.operator.approver_status import Verdicts, judge

CA, OTHER = signing.key("ca").line, signing.key("other-ca").line


def _conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def _message(status: dict[str, Any], kind: str) -> str:
    return next(str(each["message"]) for each in status["conditions"] if each["type"] == kind)


def _approver(name: str, *users: str) -> dict[str, Any]:
    keys = [{"name": "k", "ssh": signing.key(name).line}]
    spec = {"principal": f"{name}@example.com", "kubernetesUsers": list(users), "keys": keys}
    return {"metadata": {"name": name, "generation": 1}, "spec": spec}


def _judged(*authorities: dict[str, Any], approvers: tuple[dict[str, Any], ...] = ()) -> Verdicts:
    return judge(approvers, authorities)


def test_a_good_authority_is_ready_with_its_fingerprints() -> None:
    """As ssh-keygen prints them; and it stays as it is while nothing changes."""
    [status] = _judged(ssh_ca.document("e", CA, OTHER)).authorities
    assert _conditions(status) == {"Ready": ("True", "KeysCount")}
    expected = [signing.ssh_fingerprint(line) for line in (CA, OTHER)]
    assert [key["fingerprint"] for key in status["authorities"]] == expected
    assert [key["problem"] for key in status["authorities"]] == ["", ""]
    assert _judged(ssh_ca.document("e", CA, OTHER) | {"status": status}).authorities == [status]


def test_an_unusable_key_is_told_and_harms_no_other() -> None:
    """Ready while one counts."""
    short = signing.key("short", "rsa", 2048).line
    [both] = _judged(ssh_ca.document("e", CA, short)).authorities
    assert _conditions(both) == {"Ready": ("True", "KeysCount")}
    assert "2048" in both["authorities"][1]["problem"]
    [alone] = _judged(ssh_ca.document("e", short)).authorities
    assert _conditions(alone) == {"Ready": ("False", "NoUsableKey")}
    assert "2048" in _message(alone, "Ready")


@pytest.mark.parametrize(
    "spec",
    [
        {"principals": ["*"]},
        {"kubernetesUsers": ["everybody"]},
        {"kubernetesUsers": ["*{principal}"]},
        {"kubernetesUsers": ["{principal}*"]},
        {"kubernetesUsers": ["{principal}{principal}"]},
        {"maxValidity": "721h"},
        {"maxValidity": "59s"},
        {"maxValidity": "1d"},
        {"revoked": {"serials": [str(2**64)]}},
        {"revoked": {"fingerprints": ["MD5:00"]}},
        {"teams": {"prefix": ""}},
        {"typo": 1},
    ],
)
def test_what_cannot_be_understood_counts_for_nobody(spec: dict[str, Any]) -> None:
    """And says so; the API server takes none of it, as far as its schema goes."""
    [status] = _judged(ssh_ca.document("e", **spec)).authorities
    assert _conditions(status) == {"Ready": ("False", "SpecInvalid")}


@pytest.mark.parametrize("principals", [["*@example.com"], ["alice@example.com"], ["x@example.org", "z@example.com"]])
def test_two_that_speak_for_one_principal_are_told(principals: list[str]) -> None:
    """Exact or by the domain, on both, and by whom."""
    first, second = _judged(ssh_ca.document("a"), ssh_ca.document("b", OTHER, principals=principals)).authorities
    for status, other in ((first, "b"), (second, "a")):
        told = {"Ready": ("True", "KeysCount"), "Duplicate": ("True", "SharedWithAnotherAuthority")}
        assert _conditions(status) == told
        assert f"ApproverAuthority {other} " in _message(status, "Duplicate")


def test_two_of_different_domains_do_not_meet() -> None:
    """Nor does a domain below."""
    for principals in (["*@example.org"], ["*@sub.example.com"], ["alice@example.org"]):
        for status in _judged(ssh_ca.document("a"), ssh_ca.document("b", OTHER, principals=principals)).authorities:
            assert _conditions(status) == {"Ready": ("True", "KeysCount")}


def test_a_key_of_two_is_told_on_both() -> None:
    """And one that an Approver has, on the authority alone: the Approver's key counts."""
    told = {"Ready": ("False", "NoUsableKey"), "Duplicate": ("True", "SharedKey")}
    for status in _judged(ssh_ca.document("a"), ssh_ca.document("b", principals=["*@example.org"])).authorities:
        assert _conditions(status) == told
    judged = _judged(ssh_ca.document("e"), approvers=(_approver("ca", "ca@example.com"),))
    assert _conditions(judged.authorities[0]) == told
    assert judged.approvers[0].counting == [("ssh", "Software")]


@pytest.mark.parametrize(
    ("user", "shared"),
    [
        ("alice@example.com", False),
        ("alice-admin", False),
        ("alice@example.org", False),
        ("bob@example.com", True),
        ("oidc:bob@example.com", True),
        ("oidc:alice@example.com", False),
        ("oidc:*", True),
        ("*@example.com", True),
        ("arn:1:alice@example.com", False),
        ("arn:1:bob@example.com", True),
    ],
)
def test_a_user_name_that_stands_for_two_is_told_on_both(user: str, shared: bool) -> None:
    """An Approver's own principal is no second person; a pattern may take in others."""
    templates = ["{principal}", "oidc:{principal}", "arn:*:{principal}"]
    judged = _judged(ssh_ca.document("e", kubernetesUsers=templates), approvers=(_approver("alice", user),))
    authority, approver = judged.authorities[0], judged.approvers[0].status
    assert [("SharedUserName" in _conditions(status)) for status in (authority, approver)] == [shared, shared]
    if shared:
        assert "of ApproverAuthority e" in _message(approver, "SharedUserName")
        assert "of Approver alice" in _message(authority, "SharedUserName")


def test_user_names_of_two_authorities_that_meet_are_told() -> None:
    """Their principals differ, and what they are called does not."""
    first = ssh_ca.document("a", kubernetesUsers=["{principal}", "sso:*:{principal}"])
    second = ssh_ca.document("b", OTHER, principals=["*@example.org"], kubernetesUsers=["sso:{principal}:*"])
    for status in _judged(first, second).authorities:
        assert "SharedUserName" in _conditions(status)
    apart = ssh_ca.document("b", OTHER, principals=["*@example.org"])
    for status in _judged(ssh_ca.document("a"), apart).authorities:
        assert "SharedUserName" not in _conditions(status)
