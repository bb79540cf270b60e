"""The published vectors: this verifier gives the answers that every other one should."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support import signing, ssh_ca
from tests.vectors import generate

from seconder.api.policy import Assurance, Requirement, UnknownOperator
from seconder.api.reasons import Reason
from seconder.api.resources import Action, GroupResource, Target
from seconder.approvals.approver_documents import parse_approver
from seconder.approvals.certificates.authority_documents import parse_authority
from seconder.approvals.difference import Difference
from seconder.approvals.keys import KeyType
from seconder.approvals.quorum import Verdict, judge, verify_all
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Context

FOLDER = Path(generate.__file__).parent
FILES = sorted(FOLDER.glob("*.json"))
VECTORS = [(path.name, vector) for path in FILES for vector in json.loads(path.read_text())]

OTHERS_GIVE = {
    Reason.NOT_COVERED,
    Reason.EXEMPT,
    Reason.BREAK_GLASS,
    Reason.PROTECTED_CONFIGURATION,
    Reason.POLICY_INVALID,
    Reason.REQUEST_MALFORMED,
    Reason.INTERNAL_ERROR,
}
"""Reasons that no approval can be the cause of."""


def _judged(vector: Mapping[str, Any]) -> Verdict:
    given, asked, target = vector["context"], vector["requirement"], vector["context"]["target"]
    context = Context(
        audience=given["audience"],
        requester=given["requester"],
        by_agent=given["byAgent"],
        agent=given["agent"],
        operators=frozenset(given["operators"]),
        target=Target(
            GroupResource(target["group"], target["resource"]), "", target["namespace"], target["name"], target["uid"]
        ),
        action=Action(given["action"]),
        difference=Difference(given["change"]["from"], given["change"]["to"]) if "change" in given else None,
    )
    requirement = Requirement(
        required=asked["required"],
        teams=frozenset(asked["teams"]),
        max_ttl=asked["maxTTL"],
        assurance=Assurance(asked["assurance"]),
        bind_impact=asked["bindImpact"],
        unknown_operator=UnknownOperator(asked["unknownOperator"]),
    )
    registry = Registry(
        (parse_approver(each) for each in vector["approvers"]),
        (parse_authority(each) for each in vector.get("authorities", ())),
    )
    memo = signing.memo()
    first = verify_all(vector["values"], context, registry, vector["now"], memo)
    assert verify_all(vector["values"], context, registry, vector["now"], memo) == first
    return judge(first, requirement, vector["impact"])


@pytest.mark.parametrize("vector", [pytest.param(vector, id=f"{file}: {vector['name']}") for file, vector in VECTORS])
def test_a_vector_gets_its_expected_reason(vector: Mapping[str, Any]) -> None:
    """Approved if and only if that is expected, and the same when seen again."""
    verdict = _judged(vector)
    assert verdict.reason == vector["expected"], [(each.slug, each.detail) for each in verdict.failures]
    assert verdict.satisfied is (vector["expected"] == "Approved")


def test_the_vectors_cover_every_reason_that_an_approval_can_cause() -> None:
    """A reason without a vector would be one that other verifiers need not give."""
    assert {vector["expected"] for _, vector in VECTORS} == set(Reason) - OTHERS_GIVE


def test_the_vectors_cover_every_key_type_that_is_taken() -> None:
    """Each stands in an approval that counts."""
    approved = [vector for _, vector in VECTORS if vector["expected"] == "Approved"]
    lines = [key["ssh"] for vector in approved for each in vector["approvers"] for key in each["spec"]["keys"]]
    assert {line.split()[0] for line in lines} == set(KeyType)


def test_ssh_keygen_takes_every_signature_that_counts() -> None:
    """The vectors ask for nothing that the approvers' own tool would not agree with."""
    checked = 0
    for _, vector in VECTORS:
        if vector["expected"] != "Approved":
            continue
        lines = {each["spec"]["principal"]: each["spec"]["keys"][0]["ssh"] for each in vector["approvers"]}
        authorities = {each["metadata"]["name"]: each["spec"]["ssh"][0] for each in vector.get("authorities", ())}
        for counted in _judged(vector).counted:
            value = vector["values"][counted.slug]
            line, newline, armored = value.partition("\n")
            message = (line + newline).encode()
            if counted.key.certified is not None:
                line = authorities[counted.key.certified.authority]
                assert ssh_ca.verify(value, line, counted.statement.iss, at=vector["now"]), vector["name"]
                checked += 1
                continue
            assert signing.ssh_verify(lines[counted.statement.iss], message, armored), vector["name"]
            checked += 1
    assert checked >= 30


def test_names_of_vectors_are_unique_within_their_file() -> None:
    """Another implementation reports failures by them."""
    named = [(file, vector["name"]) for file, vector in VECTORS]
    assert len(set(named)) == len(named) >= 40


def test_the_vectors_hold_no_private_key() -> None:
    """Nobody can sign anything with what is published."""
    for path in FILES:
        assert "PRIVATE KEY" not in path.read_text()


@pytest.mark.long
def test_the_files_are_those_that_the_generator_makes() -> None:
    """The same cases under the same names, whatever the keys of the day; and new keys change no verdict."""
    fresh = generate.files()
    assert sorted(fresh) == [path.name for path in FILES]
    for path in FILES:
        stored = json.loads(path.read_text())
        assert [(each["name"], each["expected"]) for each in fresh[path.name]] == [
            (each["name"], each["expected"]) for each in stored
        ]
        for vector in fresh[path.name]:
            assert _judged(vector).reason == vector["expected"], vector["name"]
