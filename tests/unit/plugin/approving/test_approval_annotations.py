"""Where an approval goes, and what it may take the place of."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET, UnsetType
from tests.support.cluster import sign

from localstack.scene import make_ssh_key
from seconder.api.resources import Action, GroupResource, Target
from seconder.approvals.keys import parse_line
from seconder.approvals.registry import Approver, KeyEntry, Registry
from seconder.approvals.verification import Context
from seconder.plugin.approving import approval_annotations
from seconder.plugin.approving.approval_annotations import Wish
from seconder.plugin.terminal.problem import Problem

_TARGET = Target(GroupResource("apps", "deployments"), "Deployment", "payments", "checkout", "uid-1")
_CONTEXT = Context("urn:uuid:c", "kiro-user", True, "kiro", frozenset(), _TARGET, Action.DELETE)
_NOW = 1_000_000


class People:
    """alice and bob, with a key each."""

    def __init__(self, folder: Path) -> None:
        self.keys = {name: folder / name for name in ("alice", "bob")}
        approvers = []
        for name, key in self.keys.items():
            make_ssh_key(key, name)
            public = parse_line(key.with_suffix(".pub").read_text())
            entry = KeyEntry("k", public.blob, public, public.fingerprint)
            approvers.append(Approver(name, name, frozenset({name}), keys=(entry,)))
        self.registry = Registry(approvers)

    def value(self, name: str = "alice", **changes: Any) -> str:
        """Give somebody's approval of the wish in question, or of another."""
        detail = {
            "actions": ["Delete"],
            "group": "apps",
            "identifier": "uid-1",
            "name": "checkout",
            "namespace": "payments",
            "resource": "deployments",
            "type": "https://seconder.dev/approval/v1",
        }
        detail |= changes.pop("detail", {})
        claims = {
            "act": {"sub": "kiro"},
            "aud": "urn:uuid:c",
            "authorization_details": [detail],
            "exp": _NOW + 600,
            "iat": _NOW,
            "iss": name,
            "jti": "a" * 22,
            "reason": "because",
            "sub": "kiro-user",
        }
        return sign(self.keys[name], claims | changes)

    def slug(self, values: dict[str, str], name: str = "alice", txn: str | UnsetType = UNSET) -> str:
        """Give the slug for alice's approval beside these."""
        return approval_annotations.slug_for(name, values, "alice", Wish(_CONTEXT, txn), self.registry, _NOW + 1)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """Alice and bob."""
    return People(tmp_path_factory.mktemp("people"))


def test_the_approvers_own_name_comes_first(people: People) -> None:
    """Where nothing stands there, or nothing of use."""
    assert people.slug({}) == "alice"
    assert people.slug({"bob": "x"}) == "alice"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"exp": _NOW, "iat": _NOW - 5},
        {"detail": {"identifier": "uid-0"}},
        {"aud": "urn:uuid:other"},
        {"iss": "bob"},
        {"name": "bob", "detail": {"identifier": "uid-0"}},
    ],
    ids=lambda changes: ",".join(changes) or "same wish",
)
def test_ones_own_earlier_one_and_useless_ones_are_replaced(people: People, changes: dict[str, Any]) -> None:
    """The same wish again; or expired, of another object, of another cluster, forged."""
    assert people.slug({"alice": people.value(**changes)}) == "alice"


def test_rubbish_is_replaced(people: People) -> None:
    """Whatever somebody wrote there."""
    for rubbish in ("", "x", "{}", "eyJ", "{" * 9000, "{\ud800"):
        assert people.slug({"alice": rubbish}) == "alice"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "bob"},
        {"sub": "somebody"},
        {"act": {"sub": "other"}},
        {"detail": {"actions": ["ScaleToZero"]}},
        {"name": "bob", "sub": "somebody"},
    ],
    ids=["another peer", "another requester", "another agent", "another action", "another peer and requester"],
)
def test_what_may_still_count_for_somebody_stays(people: People, changes: dict[str, Any]) -> None:
    """The new one gets the next name."""
    value = people.value(**changes)
    assert people.slug({"alice": value}) == "alice-2"
    assert people.slug({"alice": value, "alice-2": value}) == "alice-3"


def test_ones_own_for_another_change_request_stays(people: People) -> None:
    """A quorum may wait for it. One that names no change request is part of none."""
    value = people.value(txn="one")
    assert people.slug({"alice": value}, txn="one") == "alice"
    assert people.slug({"alice": value}, txn="other") == "alice-2"
    assert people.slug({"alice": value}) == "alice-2"
    assert people.slug({"alice": people.value()}, txn="one") == "alice"


def test_there_is_an_end_to_names(people: People) -> None:
    """And it says what to do then."""
    value = people.value(name="bob")
    with pytest.raises(Problem, match="remove some"):
        people.slug({"alice": value} | {f"alice-{number}": value for number in range(2, 100)})


@pytest.mark.parametrize(
    ("name", "slug"), [("alice", "alice"), ("Al.Ice@x", "al-ice-x"), ("a" * 80, "a" * 63), ("...", "approver")]
)
def test_every_name_makes_an_annotation_key(people: People, name: str, slug: str) -> None:
    """Of at most 63 characters, with a number, too."""
    assert people.slug({}, name) == slug
    second = people.slug({slug: people.value(name="bob")}, name)
    assert second == f"{slug[:61]}-2"


def test_annotations_grow_to_256_kib_and_no_further() -> None:
    """Keys and values together, in bytes."""
    approval_annotations.within_limit({"k": "x" * (256 * 1024 - 4)}, "n", "yy")
    with pytest.raises(Problem, match="262,145 bytes of 262,144"):
        approval_annotations.within_limit({"k": "x" * (256 * 1024 - 4)}, "n", "yyy")
    with pytest.raises(Problem):
        approval_annotations.within_limit({}, "n", "é" * (128 * 1024))
    approval_annotations.within_limit({"n": "x" * (256 * 1024 - 1)}, "n", "y")
