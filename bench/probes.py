"""Before anything is measured: every server must give the right answer, for the same reason, to the same questions."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import approvals, reviews, world
from bench.load import WrongAnswers
from bench.servers import Server


@dataclass(frozen=True, slots=True)
class Probe:
    """A review and the reason code that its answer must give (``Approved``: let through)."""

    title: str
    review: bytes
    reason: str


def check(server: Server, probes: list[Probe]) -> None:
    """Ask each probe twice (a cache may answer the second). Raises WrongAnswers."""
    for probe in probes * 2:
        answer = server.ask(probe.review)
        reason = answer["auditAnnotations"]["reason"]
        refused = not answer["allowed"] and answer["status"]["code"] == 403
        told = refused and probe.reason in answer["status"]["message"]
        causes = [cause["reason"] for cause in answer["status"]["details"]["causes"]] if refused else []
        right = answer["allowed"] if probe.reason == "Approved" else told and probe.reason in causes
        if not right or reason != probe.reason:
            raise WrongAnswers(f"{server.name}: {probe.title} must be answered with {probe.reason}, but: {answer}")


def make(key: Path, stranger: Path, audience: str) -> list[Probe]:
    """Make one probe for each way in which an approval can hold or fail that both servers know."""
    return list(_make(key, stranger, audience))


def _make(key: Path, stranger: Path, audience: str) -> Iterator[Probe]:
    now, issuer = int(time.time()), world.PRINCIPAL
    plain = approvals.statement(audience, issuer)
    detail = {
        "actions": ["Delete"],
        "group": "apps",
        "identifier": reviews.UID,
        "name": reviews.NAME,
        "namespace": reviews.NAMESPACE,
        "resource": "deployments",
        "type": "https://seconder.dev/approval/v1",
    }
    signed_by_alice = {
        "a good approval": (plain, "Approved"),
        "an expired approval": (approvals.statement(audience, issuer, iat=now - 900, exp=now - 1), "ApprovalExpired"),
        "an approval from the future": (
            # Further away than the whole benchmark takes.
            approvals.statement(audience, issuer, iat=now + 7200, exp=now + 7500),
            "ApprovalNotYetValid",
        ),
        "an approval for two hours": (approvals.statement(audience, issuer, exp=now + 7200), "LifetimeTooLong"),
        "an approval for another cluster": (approvals.statement("urn:uuid:other", issuer), "WrongCluster"),
        "an approval for another uid": (
            approvals.statement(audience, issuer, authorization_details=[{**detail, "identifier": "other"}]),
            "WrongObject",
        ),
        "an approval for another action": (
            approvals.statement(audience, issuer, authorization_details=[{**detail, "actions": ["ScaleToZero"]}]),
            "WrongAction",
        ),
        "an approval for another requester": (approvals.statement(audience, issuer, sub="mallory"), "WrongRequester"),
        "an approval with an unknown claim": (approvals.statement(audience, issuer, extra="x"), "ApprovalMalformed"),
        "an approval that is not canonical": (plain.replace(",", ", ", 1), "ApprovalMalformed"),
    }
    yield Probe("no approval", reviews.review(), "ApprovalMissing")
    values = approvals.sign(key, [statement for statement, _ in signed_by_alice.values()])
    for (title, (_, reason)), value in zip(signed_by_alice.items(), values, strict=True):
        yield Probe(title, _with(value), reason)
    tampered = values[0].replace("INC-4821", "INC-4822")
    yield Probe("a tampered approval", _with(tampered), "SignatureInvalid")
    foreign = approvals.sign(stranger, [plain])[0]
    yield Probe("an approval by a stranger", _with(foreign), "ApproverUnknown")


def _with(value: str) -> bytes:
    return reviews.review({approvals.ANNOTATION: value})
