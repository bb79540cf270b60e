"""Approvals on a protected object: whose count, for what, how many, and what is said of those that do not."""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.corpus.builders.documents import (
    APPROVERS,
    Document,
    approver,
    changed,
    deployment,
    namespace,
    policy,
    service_account,
)
from tests.corpus.builders.reviews import AGENT, PERSON, account, delete, scale, user
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, NAMESPACES, Expected, case
from tests.corpus.builders.signing import (
    ALICE,
    BOB,
    NOW,
    TXN,
    Device,
    Key,
    Token,
    annotation,
    approval,
    approved,
    claims,
    line,
)

MISSING = "ApprovalMissing"
APPROVED = "Approved"
MALFORMED = "ApprovalMalformed"
SELF = "SelfApproval"
SECOND = "ffeeddccbbaa99887766554433221100"
EVE = Key("eve")


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _claims()
    yield from _values()
    yield from _keys()
    yield from _notations()
    yield from _tokens()
    yield from _assurance()
    yield from _people()
    yield from _quorum()
    yield from _several_policies()
    yield from _many()
    yield from _elsewhere()


def _held(annotations: dict[str, str]) -> Document:
    return changed(CHECKOUT, annotations=annotations)


def _claims() -> Iterator[Expected]:
    yield case("an approval of exactly this", APPROVED, delete(approved(CHECKOUT)), DEPLOYMENTS)
    yield case("an approval with a change request's uid", APPROVED, delete(approved(CHECKOUT, txn=TXN)), DEPLOYMENTS)
    yield case(
        "an approval used by dry run is not noted", APPROVED, delete(approved(CHECKOUT), dryRun=True), DEPLOYMENTS
    )
    yield case(
        "an approval, where the view may be out of date",
        "InternalError",
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        fresh=False,
    )
    yield case("no approval, where the view may be out of date", MISSING, delete(CHECKOUT), DEPLOYMENTS, fresh=False)
    wrong: Sequence[tuple[str, str, dict[str, Any]]] = (
        ("that has expired", "ApprovalExpired", {"iat": NOW - 900, "exp": NOW}),
        ("in its last second", APPROVED, {"iat": NOW - 800, "exp": NOW + 1}),
        ("that begins a minute ahead", APPROVED, {"iat": NOW + 60, "exp": NOW + 600}),
        ("that begins later than that", "ApprovalNotYetValid", {"iat": NOW + 61, "exp": NOW + 600}),
        ("that lasts longer than the policy lets it", "LifetimeTooLong", {"iat": NOW - 100, "exp": NOW + 801}),
        ("that lasts longer than an hour", "LifetimeTooLong", {"iat": NOW - 100, "exp": NOW + 3501}),
        ("for another cluster", "WrongCluster", {"aud": "urn:uuid:another"}),
        ("for an object that was recreated since", "WrongObject", {"detail": {"identifier": "another"}}),
        ("that names another object than its uid", "WrongObject", {"detail": {"name": "ledger"}}),
        ("that names another namespace", "WrongObject", {"detail": {"namespace": "staging"}}),
        ("that names no namespace", "WrongObject", {"detail": {"namespace": None}}),
        ("that names another resource", "WrongObject", {"detail": {"resource": "statefulsets"}}),
        ("of another action", "WrongAction", {"detail": {"actions": ["ScaleToZero"]}}),
        ("of two actions, this one among them", APPROVED, {"detail": {"actions": ["ScaleToZero", "Delete"]}}),
        ("for another requester", "WrongRequester", {"sub": "dana@example.com"}),
        ("for another agent", "WrongRequester", {"act": {"sub": "other"}}),
        ("for no agent", "WrongRequester", {"act": None}),
        ("by the requester", SELF, {"iss": AGENT["username"]}),
        ("that speaks for somebody else", "SignatureInvalid", {"iss": "bob@example.com"}),
    )
    for what, reason, changes in wrong:
        # Somebody whose principal is the requester's own name is registered under it.
        people = APPROVERS if reason != SELF else (approver("alice", ALICE, principal=AGENT["username"]),)
        yield case(f"an approval {what}", reason, delete(approved(CHECKOUT, **changes)), DEPLOYMENTS, approvers=people)
    later = approved(CHECKOUT, iat=NOW - 100, exp=NOW + 3500)
    long = policy("production", "deployments.apps", approvals={"maxTTL": "1h"})
    yield case("an approval of an hour where a policy lets it", APPROVED, delete(later), long)


def _values() -> Iterator[Expected]:
    good = approval(CHECKOUT)
    token = approval(CHECKOUT, Token("alice-kms"))
    values = {
        "that is empty": "",
        "that is neither format": "approved by alice",
        "with another line in front": "\n" + good,
        "that lacks its signature": line(claims(CHECKOUT)),
        "whose claims are not in canonical form": good.replace('"act":', '"act": ', 1),
        "with a claim too many": ALICE.sign(line(claims(CHECKOUT, admin=True))),
        "without a required claim": ALICE.sign(line(claims(CHECKOUT, jti=None))),
        "that ends before it begins": approval(CHECKOUT, exp=NOW - 200),
        "that names an action twice": approval(CHECKOUT, detail={"actions": ["Delete", "Delete"]}),
        "of an action that is none": approval(CHECKOUT, detail={"actions": ["Change"]}),
        "whose reason steers the display": approval(CHECKOUT, reason="fine\u202e"),
        "that is longer than one may be": good + "x" * 8192,
        "signed for another purpose": approval(CHECKOUT, Key("alice", purpose="git")),
        "of an armor that is ragged": good.replace("SIGNATURE-----\n", "SIGNATURE-----\nAA\n", 1),
        "of a token of two parts": token.rpartition(".")[0],
        "of a token whose type is another": approval(CHECKOUT, Token("alice-kms", header=(("typ", "JWT"),))),
        "of a token with a key of its own": approval(CHECKOUT, Token("alice-kms", header=(("jwk", {}),))),
    }
    people = (approver("alice", ALICE, Token("alice-kms").registered), APPROVERS[1])
    for what, value in values.items():
        held = _held({"approval.seconder.dev/alice": value})
        yield case(f"a value {what}", MALFORMED, delete(held), DEPLOYMENTS, approvers=people)
    bad = good.replace("INC-4821", "INC-4822")
    forged = _held({"approval.seconder.dev/alice": bad})
    yield case("a value that was changed after it was signed", "SignatureInvalid", delete(forged), DEPLOYMENTS)
    other = _held({"approval.seconder.dev/": good, "approval.seconder.dev": good, "approvals.seconder.dev/alice": good})
    yield case("a slug may be empty; other keys hold no approvals", APPROVED, delete(other), DEPLOYMENTS)
    off = _held({"approvals.seconder.dev/alice": good})
    yield case("an annotation of nearly that name holds none", MISSING, delete(off), DEPLOYMENTS)


def _keys() -> Iterator[Expected]:
    yield case(
        "an approval by a key that nobody registered", "ApproverUnknown", delete(approved(CHECKOUT, EVE)), DEPLOYMENTS
    )
    yield case(
        "an approval where nobody is registered",
        "ApproverUnknown",
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        approvers=(),
    )
    ended = (approver("alice", ALICE.registered | {"notAfter": "2026-11-22T04:01:40Z"}),)
    yield case(
        "an approval by a key whose time is over",
        "KeyRevoked",
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        approvers=ended,
    )
    ending = (approver("alice", ALICE.registered | {"notAfter": "2026-11-22T04:01:41Z"}),)
    yield case(
        "an approval by a key in its last second", APPROVED, delete(approved(CHECKOUT)), DEPLOYMENTS, approvers=ending
    )
    shared = (approver("alice", ALICE), approver("bob", ALICE.registered | {"name": "borrowed"}))
    yield case(
        "an approval by a key that two people have",
        "ApproverNotAllowed",
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        approvers=shared,
    )
    twice = (approver("alice", ALICE), approver("alice-again", BOB, principal="alice@example.com"))
    yield case(
        "an approval by a principal that stands in two Approvers",
        "ApproverNotAllowed",
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        approvers=twice,
    )


def _notations() -> Iterator[Expected]:
    for what, key in (
        ("a line that is no key", {"ssh": "alice"}),
        ("no notation at all", {}),
        ("two notations", ALICE.registered | Token("alice").registered),
    ):
        odd = (approver("alice", key | {"name": "odd"}), APPROVERS[1])
        yield case(
            f"an approval by somebody whose key is {what}",
            "ApproverUnknown",
            delete(approved(CHECKOUT)),
            DEPLOYMENTS,
            approvers=odd,
        )
    broken = (approver("alice", ALICE, kubernetesUsers=[]), APPROVERS[1])
    yield case(
        "an approval by somebody whose Approver cannot be read",
        "ApproverUnknown",
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        approvers=broken,
    )
    both = (approver("alice", ALICE, Token("alice").registered),)
    yield case(
        "a key in both notations is one key, by SSH", APPROVED, delete(approved(CHECKOUT)), DEPLOYMENTS, approvers=both
    )
    yield case(
        "a key in both notations is one key, by token",
        APPROVED,
        delete(approved(CHECKOUT, Token("alice"))),
        DEPLOYMENTS,
        approvers=both,
    )


def _tokens() -> Iterator[Expected]:
    for curve in ("Ed25519", "P-256"):
        token = Token("alice-kms", curve=curve)
        people = (approver("alice", token.registered),)
        yield case(
            f"an approval by a token of {curve}",
            APPROVED,
            delete(approved(CHECKOUT, token)),
            DEPLOYMENTS,
            approvers=people,
        )
        other = (approver("alice", Token("alice-kms", curve=curve).registered | {"name": "k"}, ALICE),)
        bent = Token("alice-kms", curve=curve, header=(("alg", "none"),))
        yield case(
            f"a token of {curve} by another algorithm",
            "SignatureInvalid",
            delete(approved(CHECKOUT, bent)),
            DEPLOYMENTS,
            approvers=other,
        )
    unknown = approved(CHECKOUT, Token("alice-kms"))
    yield case("a token of a kid that nobody registered", "ApproverUnknown", delete(unknown), DEPLOYMENTS)
    kids = (
        approver("alice", Token("alice-kms").registered),
        approver(
            "bob",
            Token("bob-kms").registered["jwk"]
            and {"name": "kms", "jwk": Token("bob-kms").registered["jwk"] | {"kid": "alice-kms"}},
        ),
    )
    yield case(
        "a token of a kid that stands for two keys", "ApproverNotAllowed", delete(unknown), DEPLOYMENTS, approvers=kids
    )
    ssh_only = (approver("alice", Token("alice").registered),)
    yield case(
        "a key signs in the notation in which it is registered",
        "ApproverUnknown",
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        approvers=ssh_only,
    )


def _assurance() -> Iterator[Expected]:
    for flags, proven in ((0, ()), (1, ("Software", "Presence")), (4, ()), (5, ("Software", "Presence", "Verified"))):
        device = Device("alice-key", flags=flags)
        people = (approver("alice", device.registered),)
        for tier in ("Software", "Presence", "Verified"):
            named = policy("production", "deployments.apps", approvals={"assurance": tier})
            reason = APPROVED if tier in proven else "AssuranceTooLow"
            yield case(
                f"a security key with flags {flags} where {tier} is asked for",
                reason,
                delete(approved(CHECKOUT, device)),
                named,
                approvers=people,
            )
    touched = policy("production", "deployments.apps", approvals={"assurance": "Presence"})
    token = Token("alice-kms")
    signed = delete(approved(CHECKOUT, token))
    people = (approver("alice", token.registered),)
    yield case("a token proves nobody's presence", "AssuranceTooLow", signed, touched, approvers=people)
    yield case("a software key proves nobody's presence", "AssuranceTooLow", delete(approved(CHECKOUT)), touched)


def _people() -> Iterator[Expected]:
    team = policy("production", "deployments.apps", approvals={"teams": ["payments", "platform"]})
    yield case("an approval by a member of the team", APPROVED, delete(approved(CHECKOUT)), team)
    yield case("an approval by somebody of no such team", "ApproverNotAllowed", delete(approved(CHECKOUT, BOB)), team)
    operated = service_account("kiro", "seconder-agents", operator="alice@example.com")
    yield case("an approval by who set the agent going", SELF, delete(approved(CHECKOUT)), DEPLOYMENTS, operated)
    yield case(
        "an approval by somebody else than who set the agent going",
        APPROVED,
        delete(approved(CHECKOUT, BOB)),
        DEPLOYMENTS,
        operated,
    )
    alias = (approver("alice", ALICE, kubernetesUsers=["alice@example.com", "al@example.com"]), APPROVERS[1])
    by_alias = service_account("kiro", "seconder-agents", operator="al@example.com")
    yield case(
        "an approval by who set the agent going under another user name",
        SELF,
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        by_alias,
        approvers=alias,
    )
    told = account("seconder-agents", "kiro", extra={"seconder.dev/operator": ["bob@example.com"]})
    for signer in (ALICE, BOB):
        yield case(
            f"two operators that differ: neither approves, {signer.name}",
            SELF,
            delete(approved(CHECKOUT, signer), told),
            DEPLOYMENTS,
            operated,
        )
    strict = policy("production", "deployments.apps", approvals={"unknownOperator": "Refuse"})
    yield case("an unknown operator where the policy minds", SELF, delete(approved(CHECKOUT)), strict)
    yield case("a known operator where the policy minds", APPROVED, delete(approved(CHECKOUT, BOB)), strict, operated)
    bot = user("deployer", "seconder.dev:agents")
    unnamed = approved(CHECKOUT, sub="deployer", act=None)
    yield case("an agent without a name", APPROVED, delete(unnamed, bot), DEPLOYMENTS)
    yield case("an agent without a name, of an unknown operator", SELF, delete(unnamed, bot), strict)
    everyone = policy("production", "deployments.apps", subjects="Everyone", approvals={"unknownOperator": "Refuse"})
    mine = approved(CHECKOUT, sub="dana@example.com", act=None)
    yield case("a person's own deletion, approved by a peer", APPROVED, delete(mine, PERSON), everyone)
    erin = user("alice@example.com")
    own = approved(CHECKOUT, sub="alice@example.com", act=None)
    yield case("a person's own deletion, approved by that person", SELF, delete(own, erin), everyone)
    named = account("seconder-agents", "kiro", extra={"seconder.dev/agent": ["alice@example.com"]})
    like = approved(CHECKOUT, act={"sub": "alice@example.com"})
    yield case("an agent that is called like its approver", SELF, delete(like, named), DEPLOYMENTS)


def _quorum() -> Iterator[Expected]:
    two = policy("production", "deployments.apps", approvals={"required": 2})
    first = approved(CHECKOUT, txn=TXN)
    both = approved(first, BOB, txn=TXN, jti=SECOND)
    yield case("two peers of two", APPROVED, delete(both), two)
    yield case("one peer of two", "QuorumNotReached", delete(first), two)
    yield case("one peer of two, without the change request", "QuorumNotReached", delete(approved(CHECKOUT)), two)
    again = changed(
        CHECKOUT, annotations=annotation(CHECKOUT, txn=TXN) | annotation(CHECKOUT, slug="again", txn=TXN, jti=SECOND)
    )
    yield case("one person twice", "QuorumNotReached", delete(again), two)
    more = Key("alice-home")
    people = (approver("alice", ALICE, more), APPROVERS[1])
    keys = approved(first, more, txn=TXN, jti=SECOND)
    yield case("one person with two keys", "QuorumNotReached", delete(keys), two, approvers=people)
    apart = approved(first, BOB, txn="another", jti=SECOND)
    yield case("two peers for different change requests", "QuorumNotReached", delete(apart), two)
    differing = approved(first, BOB, txn=TXN, jti=SECOND, detail={"actions": ["Delete", "ScaleToZero"]})
    yield case("two peers for different actions", "QuorumNotReached", delete(differing), two)
    stale = approved(first, BOB, txn=TXN, jti=SECOND, iat=NOW - 900, exp=NOW)
    yield case("two peers, of whom one came too early", "QuorumNotReached", delete(stale), two)
    eve = approved(first, EVE, txn=TXN, jti=SECOND)
    yield case("a peer and a stranger", "QuorumNotReached", delete(eve), two)
    zero = changed(
        both, annotations={key: value for key, value in both["metadata"]["annotations"].items() if "bob" in key}
    )
    yield case("the second peer alone", "QuorumNotReached", delete(zero), two)
    three = [approved(both, Key("carol"), txn=TXN, jti="00" * 16)]
    crowd = (*APPROVERS, approver("carol", Key("carol")))
    yield case("three peers of two", APPROVED, delete(three[0]), two, approvers=crowd)


def _several_policies() -> Iterator[Expected]:
    team = policy("team", "deployments.apps", approvals={"teams": ["payments"]})
    two = policy("two", "deployments.apps", approvals={"required": 2})
    strict = policy("strict", "deployments.apps", approvals={"assurance": "Presence"})
    one = approved(CHECKOUT, txn=TXN)
    both = approved(one, BOB, txn=TXN, jti=SECOND)
    yield case("one approval satisfies two policies", APPROVED, delete(one), DEPLOYMENTS, team)
    yield case("one approval satisfies one of two policies", "QuorumNotReached", delete(one), team, two)
    yield case("two approvals satisfy both policies", APPROVED, delete(both), team, two)
    yield case("two approvals satisfy two of three policies", "AssuranceTooLow", delete(both), team, two, strict)
    yield case(
        "an approval that fails two policies for two reasons",
        "AssuranceTooLow",
        delete(approved(CHECKOUT, BOB)),
        team,
        strict,
    )
    watched = policy("watched", "deployments.apps", mode="Audit", approvals={"required": 8})
    yield case("what Audit asks for is not asked for", APPROVED, delete(one), DEPLOYMENTS, watched)
    yield case("what Audit asks for is told", "QuorumNotReached", delete(one), DEPLOYMENTS, watched, path=AUDIT)
    yield case(
        "an approval under Audit leaves no note",
        APPROVED,
        delete(one),
        policy("watched", "deployments.apps", mode="Audit"),
        path=AUDIT,
    )


def _many() -> Iterator[Expected]:
    good = annotation(CHECKOUT, slug="z-good")
    rubbish = {f"approval.seconder.dev/r-{number:02}": "rubbish" for number in range(20)}
    yield case("rubbish crowds no approval out", APPROVED, delete(_held(rubbish | good)), DEPLOYMENTS)
    yield case("rubbish alone, of which ten are told", MALFORMED, delete(_held(rubbish)), DEPLOYMENTS)
    others: dict[str, str] = {}
    for number in range(9):
        others |= annotation(CHECKOUT, slug=f"o-{number}", jti=f"{number:032x}", sub="somebody")
    yield case("approvals of other requests crowd none out", APPROVED, delete(_held(others | good)), DEPLOYMENTS)
    yield case(
        "nine approvals of other requests, of which eight are looked at",
        "WrongRequester",
        delete(_held(others)),
        DEPLOYMENTS,
    )
    mixed = good | annotation(CHECKOUT, BOB, jti=SECOND, exp=NOW, iat=NOW - 900) | rubbish
    yield case("one that counts among those that do not", APPROVED, delete(_held(mixed)), DEPLOYMENTS)
    failing = (
        annotation(CHECKOUT, EVE) | annotation(CHECKOUT, BOB, sub="somebody") | {"approval.seconder.dev/x": "rubbish"}
    )
    yield case(
        "several that fail: what got furthest heads the message", "WrongRequester", delete(_held(failing)), DEPLOYMENTS
    )
    again = annotation(CHECKOUT, slug="one") | annotation(CHECKOUT, slug="two")
    yield case("one approval under two names", APPROVED, delete(_held(again)), DEPLOYMENTS)
    odd = {"approval.seconder.dev/a\u202e\nb": "rubbish"}
    yield case("a slug with odd characters is cleaned", MALFORMED, delete(_held(odd)), DEPLOYMENTS)


def _elsewhere() -> Iterator[Expected]:
    place = namespace()
    yield case(
        "an approval of a cluster-scoped object",
        APPROVED,
        delete(approved(place)),
        policy("p", "namespaces", approvals={"bindImpact": False}),
    )
    named = approved(place, detail={"namespace": "payments"})
    yield case("an approval that gives a namespace a namespace", "WrongObject", delete(named), NAMESPACES)
    moved = deployment("ledger", annotations=annotation(CHECKOUT))
    yield case("an approval that was copied to another object", "WrongObject", delete(moved), DEPLOYMENTS)
    incoming = scale(CHECKOUT, 0)
    yield case(
        "an approval that has expired, on the live object of a scale",
        "ApprovalExpired",
        incoming,
        DEPLOYMENTS,
        approved(CHECKOUT, iat=NOW - 900, exp=NOW),
    )
    clustered = approved(CHECKOUT, aud="urn:uuid:0b54b4e5-6c1f-4a53-8b32-b4bfbbd3c7b1:east")
    yield case(
        "an approval for a cluster with an id", APPROVED, delete(clustered), DEPLOYMENTS, options={"clusterId": "east"}
    )
