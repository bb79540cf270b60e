"""Writes the test vectors anew: ``python -m tests.vectors.generate``.

Run on request only. ECDSA signatures and the keys themselves differ each time, so the files are kept as they were
written, and the private keys are thrown away. What is expected of each case is written down here by hand; nothing of it
is computed by the code that the vectors test.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from tests.support import signing, ssh_ca
from tests.support.fido import PRESENT, VERIFIED, Authenticator, Passkey
from tests.support.signing import NOW, armor, line_of, mpint, sshsig_blob, string

FOLDER = Path(__file__).parent
DIGESTS = FOLDER / "digests" / "digests.json"
ALICE, BOB, EVE = (signing.key(name) for name in ("alice", "bob", "eve"))
TXN = "7d7c5ea4-1f1d-4c3b-9a39-4f9c1df0a1c2"
IMPACT = {"counts": {"persistentvolumeclaims": 1, "services": 2}, "sha256": "ab" * 32}
NAMESPACE = {"group": "", "resource": "namespaces", "namespace": "", "name": "payments", "uid": "1c0e9bfa-3e3e-4c44"}
NAMESPACE_CLAIMS = {
    "group": "",
    "resource": "namespaces",
    "namespace": None,
    "name": "payments",
    "identifier": NAMESPACE["uid"],
}


def person(name: str, *lines: str, **changes: Any) -> dict[str, Any]:
    """Give an approver's document."""
    keys = [{"name": f"key-{at}", "ssh": line} for at, line in enumerate(lines or (signing.key(name).line,))]
    principal = f"{name}@example.com"
    usual = {"principal": principal, "kubernetesUsers": [principal], "keys": keys}
    return {"metadata": {"name": name}, "spec": usual | changes}


def case(name: str, expected: str, values: str | dict[str, str], **changes: Any) -> dict[str, Any]:
    """Give one case: what is usual, but for the changes."""
    target = msgspec.structs.asdict(signing.DEPLOYMENT)
    group, resource = signing.DEPLOYMENT.resource
    usual_target = {"group": group, "resource": resource} | {
        each: target[each] for each in ("namespace", "name", "uid")
    }
    context = {
        "audience": signing.AUDIENCE,
        "requester": signing.REQUESTER,
        "byAgent": True,
        "agent": signing.AGENT,
        "operators": [],
        "target": usual_target,
        "action": "Delete",
    }
    requirement = {
        "required": 1,
        "teams": [],
        "maxTTL": 900,
        "assurance": "Software",
        "bindImpact": True,
        "unknownOperator": "Accept",
    }
    return {
        "name": name,
        "now": changes.pop("now", NOW),
        "approvers": changes.pop("approvers", [person("alice"), person("bob")]),
        "context": context | changes.pop("context", {}),
        "requirement": requirement | changes.pop("requirement", {}),
        "impact": changes.pop("impact", None),
        "values": {"alice": values} if isinstance(values, str) else values,
        "expected": expected,
    } | changes


def by(name: str, **changes: Any) -> str:
    """Give an approval by the approver of this name."""
    return signing.approval(signing.key(name), **{"iss": f"{name}@example.com"} | changes)


def accepted() -> Iterator[dict[str, Any]]:
    """Every key type and hash, and the forms that may vary."""
    line = line_of(signing.claims())
    for kind, bits in (("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("rsa", 3072)):
        signer = signing.key("alice", kind, bits)
        for hash_algorithm in ("sha256", "sha512"):
            value = signing.signed(line, signer, hash_algorithm=hash_algorithm)
            people = [person("alice", signer.line)]
            yield case(f"{kind} {bits or 256} with {hash_algorithm}", "Approved", value, approvers=people)
    for kind in ("ed25519", "ecdsa"):
        device = Authenticator(kind)
        people = [person("alice", device.line)]
        for flags, tiers in (
            (0, ()),
            (VERIFIED, ()),
            (PRESENT, ("Software", "Presence")),
            (PRESENT | VERIFIED, ("Software", "Presence", "Verified")),
        ):
            value = line + device.sign(line.encode(), flags=flags).rstrip("\n")
            for tier in ("Software", "Presence", "Verified"):
                yield case(
                    f"security key {kind}, flags {flags:#04x}, {tier} asked for",
                    "Approved" if tier in tiers else "AssuranceTooLow",
                    value,
                    approvers=people,
                    requirement={"assurance": tier},
                )
    yield from passkeys(line)
    blob = signing.unarmor(signing.ssh_sign(ALICE, line.encode()))
    yield case("one newline at the end", "Approved", line + armor(blob))
    yield case("armor 76 wide", "Approved", line + armor(blob, 76).rstrip("\n"))
    yield case("armor 64 wide", "Approved", line + armor(blob, 64).rstrip("\n"))
    yield case("armor 77 wide", "ApprovalMalformed", line + armor(blob, 77).rstrip("\n"))


def passkeys(line: str) -> Iterator[dict[str, Any]]:
    """What a browser signs, for the page that the key was made for and for others."""
    device, message = Passkey(), line.encode()
    people = [person("alice", device.line)]
    verified = {"assurance": "Verified"}
    taken: dict[str, dict[str, Any]] = {
        "recognised": {},
        "on a port": {"origin": "https://approve.example.com:8443"},
        "on a host below": {"origin": "https://eu.approve.example.com"},
        "a browser that says no more": {"more": "}"},
        "synced, with extensions": {"flags": 0x9D, "extensions": b"\xa0"},
    }
    for name, choices in taken.items():
        value = line + device.sign(message, **choices).rstrip("\n")
        yield case(f"passkey, {name}", "Approved", value, approvers=people, requirement=verified)
    refused: dict[str, tuple[str, dict[str, Any]]] = {
        "touched alone, Verified asked for": ("AssuranceTooLow", {"flags": PRESENT}),
        "not touched": ("AssuranceTooLow", {"flags": VERIFIED}),
        "another page": ("SignatureInvalid", {"origin": "https://approve.example.org"}),
        "the domain above": ("SignatureInvalid", {"origin": "https://example.com"}),
        "a name that ends alike": ("SignatureInvalid", {"origin": "https://evilapprove.example.com"}),
        "no TLS": ("SignatureInvalid", {"origin": "http://approve.example.com"}),
        "within another page": ("SignatureInvalid", {"more": ',"crossOrigin":true}'}),
        "crossOrigin twice": ("SignatureInvalid", {"more": ',"crossOrigin":true,"crossOrigin":false}'}),
        "registering, not signing": ("ApprovalMalformed", {"flags": 0x45}),
        "extensions unannounced": ("ApprovalMalformed", {"extensions": b"\xa0"}),
        "an origin with a path": ("ApprovalMalformed", {"origin": "https://approve.example.com/x"}),
        "another challenge": ("SignatureInvalid", {"challenge": b"another"}),
    }
    for name, (expected, choices) in refused.items():
        value = line + device.sign(message, **choices).rstrip("\n")
        yield case(f"passkey, {name}", expected, value, approvers=people, requirement=verified)
    plain = Authenticator.sign(device, message, flags=PRESENT | VERIFIED)
    value = line + plain.rstrip("\n")
    yield case("passkey, signing without a browser", "SignatureInvalid", value, approvers=people)
    local = Passkey("localhost")
    people = [person("alice", local.line)]
    value = line + local.sign(message, origin="http://localhost:8080").rstrip("\n")
    yield case("passkey, localhost without TLS", "Approved", value, approvers=people, requirement=verified)


def envelope() -> Iterator[dict[str, Any]]:
    """What may not be in the value around the statement."""
    line = line_of(signing.claims())
    good = signing.signed(line)
    public, _, _, _, signature = signing.fields_of(signing.unarmor(good.partition("\n")[2]))
    eves = signing.fields_of(signing.unarmor(signing.ssh_sign(EVE, line.encode())))[4]
    raw = signing.strings_in(signature)[1]
    wide = {f"{at:0250}": at for at in range(40)}
    malformed = {
        "empty": "",
        "a JSON Web Signature": "eyJhbGciOiJFZERTQSJ9.e30.c2ln",
        "no signature": line,
        "more than 8 KiB": signing.approval(detail={"impact": IMPACT | {"counts": wide}}),
        "two signatures": good + "\n" + good.removeprefix(line),
        "armor of another kind": good.replace("SSH SIGNATURE", "PGP SIGNATURE"),
        "two newlines at the end": good + "\n\n",
        "carriage returns": good.replace("\n", "\r\n"),
        "an empty line before the armor": line + "\n" + good.removeprefix(line),
        "two statements signed together": signing.signed(line + line),
        "ragged armor": good[:-60] + "\n" + good[-60:],
        "loose base64": good.replace("\n-----END", "=\n-----END"),
        "another purpose": signing.signed(line, namespace="file"),
        "version 2": line + armor(sshsig_blob(public, signature, version=2)),
        "reserved in use": line + armor(sshsig_blob(public, signature, reserved=b"x")),
        "hash sha1": line + armor(sshsig_blob(public, signature, hash_algorithm=b"sha1")),
        "trailing byte in the blob": line + armor(sshsig_blob(public, signature) + b"\x00"),
        "trailing byte in the signature": line + armor(sshsig_blob(public, signature + b"\x00")),
        "another signature type": line + armor(sshsig_blob(public, string(b"rsa-sha2-256") + string(raw))),
        "flags behind a plain signature": line + armor(sshsig_blob(public, signature + b"\x05\x00\x00\x00\x01")),
    }
    for name, value in malformed.items():
        yield case(name, "ApprovalMalformed", value)
    rsa = signing.key("alice", "rsa", 3072)
    parts = signing.fields_of(signing.unarmor(signing.ssh_sign(rsa, line.encode())))
    sha1 = sshsig_blob(parts[0], string(b"ssh-rsa") + string(signing.strings_in(parts[4])[1]))
    yield case(
        "ssh-rsa as signature type", "ApprovalMalformed", line + armor(sha1), approvers=[person("alice", rsa.line)]
    )
    ecdsa = signing.key("alice", "ecdsa", 256)
    kind, numbers = signing.strings_in(
        signing.fields_of(signing.unarmor(signing.ssh_sign(ecdsa, line.encode())))[4],
    )
    r, s = (int.from_bytes(number, "big") for number in signing.strings_in(numbers))
    same = sshsig_blob(ecdsa.blob, string(kind) + string(mpint(r) + mpint(signing.P256_ORDER - s)))
    people = [person("alice", ecdsa.line)]
    yield case("ECDSA with n - s for s, which says the same", "Approved", line + armor(same), approvers=people)
    zero = sshsig_blob(ecdsa.blob, string(b"ecdsa-sha2-nistp256") + string(string(b"") + mpint(1)))
    yield case("ECDSA with r = 0", "ApprovalMalformed", line + armor(zero), approvers=[person("alice", ecdsa.line)])
    yield case("a key that nobody registered", "ApproverUnknown", signing.approval(EVE))
    yield case("a stranger's signature under alice's key", "SignatureInvalid", line + armor(sshsig_blob(public, eves)))
    repurposed = signing.fields_of(signing.unarmor(signing.ssh_sign(ALICE, line.encode(), namespace="git")))[4]
    yield case("purpose rewritten", "SignatureInvalid", line + armor(sshsig_blob(public, repurposed)))
    unended = signing.ssh_sign(ALICE, line.rstrip("\n").encode())
    yield case("signed without the newline", "SignatureInvalid", line + unended)
    rewritten = sshsig_blob(public, signature, hash_algorithm=b"sha256")
    yield case("hash algorithm rewritten", "SignatureInvalid", line + armor(rewritten))
    tampered = good.replace("INC-4821", "INC-4822")
    yield case("statement changed after signing", "SignatureInvalid", tampered)
    identity = b"\x01" + bytes(31)
    weak = string(b"ssh-ed25519") + string(identity)
    forged = sshsig_blob(weak, string(b"ssh-ed25519") + string(identity + bytes(32)))
    people = [person("alice", f"ssh-ed25519 {base64.b64encode(weak).decode()}")]
    yield case("a key of small order", "ApproverNotAllowed", line + armor(forged), approvers=people)
    for weaker, bits in (("rsa", 2048), ("ecdsa", 521)):
        signer = signing.key("alice", weaker, bits)
        people = [person("alice", signer.line)]
        yield case(f"registered {weaker} {bits}", "ApproverNotAllowed", signing.approval(signer), approvers=people)


def statement() -> Iterator[dict[str, Any]]:
    """What may not be in the statement, signed by alice all the same."""
    line = line_of(signing.claims())
    exp = f'"exp":{NOW + 800}'
    spelled = {
        "spaces": json.dumps(signing.claims(), sort_keys=True) + "\n",
        "another order": json.dumps(dict(reversed(signing.claims().items())), separators=(",", ":")) + "\n",
        "a needless escape": line.replace('"alice@', '"\\u0061lice@'),
        "a number with a fraction": line.replace(exp, exp + ".0"),
        "a number with an exponent": line.replace(exp, '"exp":17953209e2'),
        "a duplicate claim": line.replace(exp, f'"exp":1,{exp}'),
        "a number beyond all bounds": line.replace(exp, '"exp":' + "9" * 400),
        "deep nesting": line.replace('{"sub":"kiro"}', "[" * 2000 + "]" * 2000),
        "an escape sequence in the reason": line.replace("INC", "\\u001bINC"),
        "a lone surrogate": line.replace("INC", "\\ud800"),
    }
    for name, text in spelled.items():
        yield case(name, "ApprovalMalformed", signing.signed(text))
    changed: dict[str, dict[str, Any]] = {
        "an unknown claim": {"nbf": NOW},
        "no jti": {"jti": None},
        "a short jti": {"jti": "a" * 21},
        "two details": {"authorization_details": signing.claims()["authorization_details"] * 2},
        "no details": {"authorization_details": []},
        "an unknown action": {"detail": {"actions": ["*"]}},
        "an action twice": {"detail": {"actions": ["Delete", "Delete"]}},
        "an empty namespace": {"detail": {"namespace": ""}},
        "another type": {"detail": {"type": "https://seconder.dev/approval/v2"}},
        "an audience list": {"aud": [signing.AUDIENCE]},
        "a reason with a bidi override": {"reason": "a\u202eb"},
        "a reason of 257 characters": {"reason": "x" * 257},
        "a negative time": {"iat": -1},
        "a time above 2^53 - 1": {"exp": 2**53},
        "an end before the beginning": {"iat": NOW + 10, "exp": NOW + 10},
        "an upper-case digest": {"detail": {"impact": IMPACT | {"sha256": "AB" * 32}}},
    }
    for name, changes in changed.items():
        yield case(name, "ApprovalMalformed", signing.approval(**changes))
    yield case("a reason beyond ASCII", "Approved", signing.approval(reason='理由 "déjà vu" \\ \U0001f600'))
    yield case("a reason of 256 characters", "Approved", signing.approval(reason="x" * 256))


def rules() -> Iterator[dict[str, Any]]:
    """Time, cluster, object, action, requester and peers."""
    good = signing.approval()
    start = signing.approval(iat=NOW, exp=NOW + 100)
    yield case("60 s before iat", "Approved", start, now=NOW - 60)
    yield case("61 s before iat", "ApprovalNotYetValid", start, now=NOW - 61)
    yield case("1 s before exp", "Approved", start, now=NOW + 99)
    yield case("at exp", "ApprovalExpired", start, now=NOW + 100)
    hour = signing.approval(iat=NOW, exp=NOW + 3600)
    yield case("an hour", "Approved", hour, requirement={"maxTTL": 3600})
    yield case("an hour, where the policy allows 15 min", "LifetimeTooLong", hour)
    longer = signing.approval(iat=NOW, exp=NOW + 3601)
    yield case("more than an hour", "LifetimeTooLong", longer, requirement={"maxTTL": 7200})
    ended = person("alice")
    ended["spec"]["keys"][0]["notAfter"] = datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield case("at the end of the key", "KeyRevoked", good, approvers=[ended])
    yield case("before the end of the key", "Approved", good, approvers=[ended], now=NOW - 1)
    yield case("another cluster", "WrongCluster", good, context={"audience": "urn:uuid:another"})
    target = case("", "", "")["context"]["target"]
    for part, other in (("uid", "another"), ("name", "x"), ("namespace", "x"), ("resource", "x"), ("group", "")):
        yield case(f"another {part}", "WrongObject", good, context={"target": target | {part: other}})
    for action in ("ScaleToZero", "RemoveFinalizers", "ChangeOwners"):
        yield case(f"Delete covers {action}", "Approved", good, context={"action": action})
        value = signing.approval(detail={"actions": [action]})
        yield case(f"{action} does not cover Delete", "WrongAction", value)
        yield case(f"{action} covers itself", "Approved", value, context={"action": action})
    yield case("another requester", "WrongRequester", good, context={"requester": "another"})
    yield case("another agent", "WrongRequester", good, context={"agent": "another"})
    yield case("an agent named for a caller without a name", "WrongRequester", good, context={"agent": None})
    yield case("no agent named for a caller with a name", "WrongRequester", signing.approval(act=None))
    yield case("no agent on either side", "Approved", signing.approval(act=None), context={"agent": None})
    own = signing.approval(sub="alice@example.com", act=None)
    human = {"requester": "alice@example.com", "agent": None, "byAgent": False}
    yield case("the requester's own principal", "SelfApproval", own, context=human)
    other = signing.approval(sub="alice-admin", act=None)
    people = [person("alice", kubernetesUsers=["alice", "alice-admin"])]
    human = human | {"requester": "alice-admin"}
    yield case("the requester's other user name", "SelfApproval", other, context=human, approvers=people)
    yield case("the agent's operator", "SelfApproval", good, context={"operators": ["alice@example.com"]})
    people = [person("alice", principal="kiro")]
    yield case("the agent itself", "SelfApproval", signing.approval(iss="kiro"), approvers=people)
    refuse = {"unknownOperator": "Refuse"}
    yield case("no operator known, refused", "SelfApproval", good, requirement=refuse)
    operators = {"operators": ["bob@example.com"]}
    yield case("an operator known", "Approved", good, requirement=refuse, context=operators)
    strangers = {"operators": ["carol@example.com"]}
    yield case("a strange operator, refused", "SelfApproval", good, requirement=refuse, context=strangers)
    yield case("a strange operator", "Approved", good, context=strangers)
    sessions = [person("alice", kubernetesUsers=["role/*/alice"]), person("bob", BOB.line)]
    session = {"operators": ["role/1764233000/alice"]}
    yield case("the operator by a pattern", "SelfApproval", good, context=session, approvers=sessions)
    another = {"operators": ["role/1764233000/alice2"]}
    yield case("an operator beside a pattern", "Approved", good, context=another, approvers=sessions)
    yield case("alice's key, bob's name", "SignatureInvalid", signing.approval(iss="bob@example.com"))
    twice = [person("alice"), person("bob", ALICE.line)]
    yield case("a key in two Approvers", "ApproverNotAllowed", good, approvers=twice)
    twins = [person("alice"), person("alice2", BOB.line, principal="alice@example.com")]
    yield case("a principal in two Approvers", "ApproverNotAllowed", good, approvers=twins)
    yield case("no approvers", "ApproverUnknown", good, approvers=[])
    teams = {"teams": ["payments", "sre"]}
    yield case("no team of the policy's", "ApproverNotAllowed", good, requirement=teams)
    yield case(
        "a team of the policy's", "Approved", good, requirement=teams, approvers=[person("alice", teams=["sre"])]
    )
    on_namespace = {"target": NAMESPACE}
    value = signing.approval(detail=NAMESPACE_CLAIMS | {"impact": IMPACT})
    yield case("the impact that was signed", "Approved", value, context=on_namespace, impact=IMPACT["sha256"])
    yield case("another impact", "ImpactChanged", value, context=on_namespace, impact="cd" * 32)
    yield case("an impact that is not known", "ImpactChanged", value, context=on_namespace)
    without = signing.approval(detail=NAMESPACE_CLAIMS)
    yield case("no impact signed", "ImpactChanged", without, context=on_namespace, impact=IMPACT["sha256"])
    unbound = {"bindImpact": False}
    yield case("no impact asked for", "Approved", without, context=on_namespace, requirement=unbound)


def changes() -> Iterator[dict[str, Any]]:
    """Changes of an object, and statements about several objects."""
    named = {"from": "ab" * 32, "to": "cd" * 32}
    asked = {"action": "Change", "change": named}
    detail = {"actions": ["Change"], "change": named}
    yield case("a change", "Approved", by("alice", detail=detail), context=asked)
    for what, other in (("another object", {"to": "ef" * 32}), ("another state", {"from": "ef" * 32})):
        yield case(
            f"a change to or from {what}",
            "WrongAction",
            by("alice", detail=detail),
            context=asked | {"change": named | other},
        )
    turned = {"from": named["to"], "to": named["from"]}
    yield case(
        "a change the other way round", "WrongAction", by("alice", detail=detail), context=asked | {"change": turned}
    )
    yield case("a change by an approval of the deletion", "WrongAction", by("alice"), context=asked)
    yield case("a deletion by an approval of a change", "WrongAction", by("alice", detail=detail))
    for what, wrong in (
        ("a Change without its change", {"actions": ["Change"]}),
        ("a deletion with a change", {"change": named}),
        ("a Change beside another action", detail | {"actions": ["Change", "Delete"]}),
        ("a digest in capitals", detail | {"change": named | {"to": "CD" * 32}}),
        ("a change without what it comes from", detail | {"change": {"to": "cd" * 32}}),
        ("a change with more in it", detail | {"change": named | {"x": ""}}),
    ):
        yield case(what, "ApprovalMalformed", by("alice", detail=wrong), context=asked)
    own = signing.claims()["authorization_details"][0]
    others = [own | {"identifier": f"uid-{at}", "name": f"name-{at}"} for at in range(16)]
    for what, details, expected in (
        ("sixteen objects, the last of them this one", [*others[:15], own], "Approved"),
        ("sixteen other objects", others, "WrongObject"),
        ("seventeen objects", [*others, own], "ApprovalMalformed"),
        ("an object twice", [own, own], "ApprovalMalformed"),
        ("an object twice, for two actions", [own, own | {"actions": ["ScaleToZero"]}], "ApprovalMalformed"),
        ("this uid under another object's name", [others[0], own | {"name": "name-0"}], "WrongObject"),
        ("another object's action", [others[0], own | detail], "WrongAction"),
    ):
        yield case(what, expected, by("alice", authorization_details=details))


def digests() -> Iterator[dict[str, Any]]:
    """Objects as stored and as wanted, what is free, and the digests of the change; null where there is none."""
    kept = {"resourceVersion": "41", "generation": 3, "managedFields": [{"manager": "kubectl"}]}
    metadata = {"name": "checkout", "namespace": "payments", "uid": "u-1"}
    stored: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata | kept | {"labels": {"app": "checkout"}},
        "spec": {"replicas": 2, "paused": False, "template": {"spec": {"containers": [{"image": "a:1"}]}}},
        "status": {"readyReplicas": 2},
    }
    plain = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    usual = ["metadata.labels", "metadata.annotations", "spec.template", "spec.replicas"]

    def vector(
        name: str, wanted: Any, free: list[str], told: tuple[Any, Any] | None, stored: Any = stored
    ) -> dict[str, Any]:
        made = [
            hashlib.sha256(
                json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            ).hexdigest()
            for one in told or ()
        ]
        change = {"from": made[0], "to": made[1]} if made else None
        return {"name": name, "stored": stored, "wanted": wanted, "freeChanges": free, "change": change}

    spec = stored["spec"]
    rolled = spec | {"replicas": 5, "template": {"spec": {"containers": [{"image": "a:2"}]}}}
    yield vector("what is free", stored | {"spec": rolled}, usual, None)
    yield vector("what the API server keeps", stored | {"metadata": stored["metadata"] | {"generation": 4}}, [], None)
    pair = (plain | {"spec": {"paused": False}}, plain | {"spec": {"paused": True}})
    yield vector("one field", stored | {"spec": spec | {"paused": True}}, usual, pair)
    yield vector("one field beside what is free", stored | {"spec": rolled | {"paused": True}}, usual, pair)
    labelled = plain | {"metadata": metadata | {"labels": {"app": "checkout"}}}
    yield vector(
        "one field where nothing is free",
        stored | {"spec": spec | {"paused": True}},
        [],
        (labelled | {"spec": spec}, labelled | {"spec": spec | {"paused": True}}),
    )
    status = {"readyReplicas": 0}
    yield vector(
        "a status",
        stored | {"status": status},
        usual,
        (pair[0] | {"status": stored["status"]}, pair[0] | {"status": status}),
    )
    approvals = {"approval.seconder.dev/alice": "{}", "seconder.dev/break-glass": "x"}
    yield vector("approvals", stored | {"metadata": stored["metadata"] | {"annotations": approvals}}, [], None)
    note = {"annotations": {"note": "\u00e9<&>"}}
    first, second = ({"annotations": {"deployment.kubernetes.io/revision": each}} for each in ("1", "2"))
    numbered = [stored | {"metadata": stored["metadata"] | each} for each in (first, second)]
    paused = [labelled | {"spec": spec}, labelled | {"spec": spec | {"paused": True}}]
    yield vector(
        "what a controller writes by itself",
        numbered[0] | {"spec": spec | {"paused": True}},
        [],
        (paused[0], paused[1]),
        numbered[0],
    )
    counted = [one | {"metadata": one["metadata"] | each} for one, each in zip(paused, (first, second), strict=True)]
    yield vector(
        "the same, changed by the request",
        numbered[1] | {"spec": spec | {"paused": True}},
        [],
        (counted[0], counted[1]),
        numbered[0],
    )
    accented = stored | {"metadata": stored["metadata"] | note}
    noted = plain | {"metadata": metadata | {"labels": {"app": "checkout"}} | note}
    yield vector("characters beyond ASCII", accented, [], (labelled | {"spec": spec}, noted | {"spec": spec}))
    yield vector(
        "one of a list's elements",
        stored | {"spec": rolled | {"replicas": 2}},
        ["spec.template.spec.containers.*.image"],
        None,
    )
    yield vector(
        "what is taken back",
        stored | {"spec": spec | {"paused": True}},
        ["spec", "!spec.paused", "metadata"],
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"paused": False}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"paused": True}},
        ),
    )
    yield from _allocated(vector)
    yield from _restarted(vector, stored, labelled)


def _allocated(vector: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A Service's ports: one that the API server chooses, one that the request names, and one that stays."""
    metadata = {"name": "web", "namespace": "payments", "uid": "u-2"}
    plain = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    port = {"port": 80, "protocol": "TCP"}
    key = 'k:{"port":80,"protocol":"TCP"}'
    mark = {"chosenBy": "the API server"}

    def owning(minute: Any = 1, **more: Any) -> dict[str, Any]:
        fields = {"f:spec": {"f:ports": {key: {".": {}, "f:port": {}, "f:protocol": {}} | more}, "f:type": {}}}
        time = f"2026-11-29T17:{minute:02}:00Z"
        entry = {"manager": "kubectl", "operation": "Update", "apiVersion": "v1", "time": time, "fieldsV1": fields}
        return {"managedFields": [entry]}

    def service(kind: str, *ports: Any, owned: Any = None, **more: Any) -> dict[str, Any]:
        spec = {"type": kind, "ports": list(ports), **more}
        return plain | {"metadata": metadata | (owned or {}), "spec": spec}

    stored = service("ClusterIP", port, owned=owning(minute=0))
    bare, chosen = service("ClusterIP", port), port | {"nodePort": 30001}
    yield vector(
        "a port that the API server chooses",
        service("NodePort", chosen, owned=owning()),
        [],
        (bare, service("NodePort", port | {"nodePort": mark})),
        stored,
    )
    told = (bare, service("NodePort", chosen))
    named = service("NodePort", chosen, owned=owning(**{"f:nodePort": {}}))
    yield vector("a port that the request names", named, [], told, stored)
    yield vector("a port of which nobody notes who named it", service("NodePort", chosen), [], told, stored)
    unnoted = service("NodePort", chosen, owned=owning(minute=0))
    yield vector("a port of a request of which nothing is noted", unnoted, [], told, stored)
    more = port | {"port": 81}
    before = service("NodePort", chosen, owned=owning(minute=0))
    yield vector(
        "a port that stays beside one that the API server chooses",
        service("NodePort", chosen, more | {"nodePort": 30002}, owned=owning()),
        [],
        (service("NodePort", chosen), service("NodePort", chosen, more | {"nodePort": mark})),
        before,
    )


def _restarted(vector: Callable[..., dict[str, Any]], stored: Any, labelled: Any) -> Iterator[dict[str, Any]]:
    """A template's time of the last restart: the first one, a later one, and one that is earlier."""
    key = "kubectl.kubernetes.io/restartedAt"
    first, second = "2026-11-29T17:00:00Z", "2026-11-29T18:30:00+01:00"

    def at(document: Any, time: Any) -> Any:
        spec = document["spec"]
        return document | {"spec": spec | {"template": spec["template"] | {"metadata": {"annotations": {key: time}}}}}

    plain = labelled | {"spec": stored["spec"]}
    yield vector("a restart", at(stored, first), [], (plain, at(plain, {"time": "any"})))
    later = {"time": f"later than {first}"}
    yield vector("one more restart", at(stored, second), [], (at(plain, first), at(plain, later)), at(stored, first))
    yield vector(
        "a time that is earlier", at(stored, first), [], (at(plain, second), at(plain, first)), at(stored, second)
    )


def quorum() -> Iterator[dict[str, Any]]:
    """Several values on one object."""
    two = {"required": 2}
    alice, bob = by("alice", txn=TXN), by("bob", txn=TXN)
    yield case("nothing there", "ApprovalMissing", {})
    yield case("two peers", "Approved", {"a": alice, "b": bob}, requirement=two)
    yield case("one of two", "QuorumNotReached", {"a": alice}, requirement=two)
    yield case(
        "one peer twice", "QuorumNotReached", {"a": alice, "b": by("alice", txn=TXN, jti="b" * 32)}, requirement=two
    )
    spare = signing.approval(signing.key("spare"), txn=TXN)
    people = [person("alice", ALICE.line, signing.key("spare").line)]
    yield case("one peer, two keys", "QuorumNotReached", {"a": alice, "b": spare}, requirement=two, approvers=people)
    twice = [person("alice"), person("bob", kubernetesUsers=["bob", "Alice@example.com"])]
    yield case("one user name", "QuorumNotReached", {"a": alice, "b": bob}, requirement=two, approvers=twice)
    yield case("another txn", "QuorumNotReached", {"a": alice, "b": by("bob", txn="x")}, requirement=two)
    yield case("no txn", "QuorumNotReached", {"a": by("alice"), "b": by("bob")}, requirement=two)
    more = by("bob", txn=TXN, detail={"actions": ["Delete", "ScaleToZero"]})
    yield case("other details", "QuorumNotReached", {"a": alice, "b": more}, requirement=two)
    counted = by("alice", txn=TXN, detail={"impact": IMPACT})
    recounted = by("bob", txn=TXN, detail={"impact": IMPACT | {"counts": {}}})
    yield case("other counts of the same impact", "Approved", {"a": counted, "b": recounted}, requirement=two)
    other = by("bob", txn=TXN, detail={"impact": IMPACT | {"sha256": "cd" * 32}})
    yield case("another impact", "QuorumNotReached", {"a": counted, "b": other}, requirement=two)
    rubbish = {f"a{at:02}": "{" for at in range(20)} | {f"b{at:02}": signing.approval(EVE) for at in range(2)}
    yield case("rubbish beside a good one", "Approved", rubbish | {"z": alice})
    others = {f"a{at:02}": by("alice", sub=f"agent-{at}") for at in range(9)}
    yield case("nine approvals of others before it", "Approved", others | {"z": bob})
    expired = {f"a{at:02}": by("alice", exp=NOW - at) for at in range(9)}
    yield case("nine expired before it", "Approved", expired | {"z": bob})
    yield case("the furthest failure counts", "ApprovalExpired", {"a": by("alice", exp=NOW), "b": "{"})


def certificates() -> Iterator[dict[str, Any]]:
    """Approvals by SSH certificates, and what an ApproverAuthority makes of them."""
    ca, other = signing.key("ca"), signing.key("other-ca")
    erin = signing.key("erin")
    name = "erin@example.com"
    usual = {"approvers": [], "authorities": [ssh_ca.document()]}

    def of(*principals: str, **options: Any) -> str:
        signer = options.pop("signer", erin)
        line = options.pop("line", erin.line)
        issued = ssh_ca.issue(options.pop("ca", ca), line, *(principals or (name,)), **options)
        return ssh_ca.approval(issued, signer, iss=name)

    def by_hand(**fields: Any) -> str:
        fields = {"principals": string(name.encode())} | fields
        return ssh_ca.approval(ssh_ca.made(fields.pop("ca", ca), erin.blob, **fields), erin, iss=name)

    yield case("certificate", "Approved", of(), **usual)
    for kind, bits in (("ecdsa", 256), ("ecdsa", 384), ("rsa", 3072)):
        key = signing.key("erin", kind, bits)
        yield case(f"certificate over {kind} {bits}", "Approved", of(line=key.line, signer=key), **usual)
    device = Authenticator()
    for flags, expected in ((PRESENT, "Approved"), (0, "AssuranceTooLow")):
        for option in ("no-touch-required", "verify-required"):
            issued = ssh_ca.issue(ca, device.line, name, options=(option,))
            value = ssh_ca.approval(issued, device, iss=name, choices={"flags": flags})
            wanted = "AssuranceTooLow" if option == "verify-required" else expected
            yield case(f"certificate over a security key, {option}, flags {flags:#04x}", wanted, value, **usual)
    taken: dict[str, str] = {
        "of a login too": of(name, "root"),
        "with extensions": of(options=("no-pty", "extension:made-up=1")),
        "with a serial number of 64 bits": of(serial=2**64 - 1),
        "as long as maxValidity and backdated": of(valid=(NOW - 7200, NOW - 7200 + 86400 + 300)),
    }
    for what, value in taken.items():
        yield case(f"certificate {what}", "Approved", value, **usual)
    refused: dict[str, tuple[str, str]] = {
        "of a host": ("ApproverNotAllowed", of(host=True)),
        "by another authority": ("ApproverUnknown", of(ca=other)),
        "that names the authority and is signed by another": (
            "SignatureInvalid",
            by_hand(ca=other, signed_by=ca.blob),
        ),
        "whose key did not sign": ("SignatureInvalid", of(signer=BOB)),
        "of another principal": ("SignatureInvalid", of("bob@example.com")),
        "of another domain": ("ApproverNotAllowed", of("erin@example.org")),
        "of a domain below": ("ApproverNotAllowed", of("erin@sub.example.com")),
        "of nobody": ("ApproverNotAllowed", of("root")),
        "of no principal": ("ApproverNotAllowed", by_hand(principals=b"")),
        "of two people": ("ApproverNotAllowed", of(name, "bob@example.com")),
        "with source-address": ("ApproverNotAllowed", of(options=("source-address=192.0.2.1/32",))),
        "with force-command": ("ApproverNotAllowed", of(options=("force-command=x",))),
        "with an unknown critical option": ("ApproverNotAllowed", of(options=("critical:made-up=1",))),
        "that has ended": ("KeyRevoked", of(valid=(NOW - 7200, NOW))),
        "that begins later": ("ApprovalNotYetValid", of(valid=(NOW + 1, NOW + 7200))),
        "that began after the statement": ("ApprovalNotYetValid", of(valid=(NOW - 50, NOW + 7200))),
        "longer than maxValidity": ("ApproverNotAllowed", of(valid=(NOW - 7200, NOW - 7200 + 86400 + 301))),
        "for ever": ("ApproverNotAllowed", of(valid=(0, 2**64 - 1))),
        "with a short nonce": ("ApprovalMalformed", by_hand(nonce=b"n" * 8)),
        "with its reserved field in use": ("ApprovalMalformed", by_hand(reserved=b"x")),
        "with trailing bytes": ("ApprovalMalformed", by_hand(tail=b"\0")),
        "with a principal twice": ("ApprovalMalformed", by_hand(principals=string(name.encode()) * 2)),
        "that ends before it begins": ("ApprovalMalformed", by_hand(valid=(NOW, NOW - 1))),
        "over the authority's own key": ("ApproverNotAllowed", of(line=ca.line, signer=ca)),
    }
    for what, (expected, value) in refused.items():
        yield case(f"certificate {what}", expected, value, **usual)
    yield from _registered_certificates(of, name)


def _registered_certificates(of: Callable[..., str], name: str) -> Iterator[dict[str, Any]]:
    """What else is registered, and what that makes of a certificate."""
    value = of(name, "team:payments")
    finger = signing.ssh_fingerprint(signing.key("erin").line)
    for what, revoked in (("serial", {"serials": [7]}), ("key id", {"keyIds": ["alice-laptop"]}),
                          ("key", {"fingerprints": [finger]})):  # fmt: skip
        authorities = [ssh_ca.document(revoked=revoked)]
        yield case(f"certificate revoked by its {what}", "KeyRevoked", value, approvers=[], authorities=authorities)
    one = [ssh_ca.document()]
    other = signing.key("other-ca").line
    for teams, expected in ((["payments"], "Approved"), (["platform"], "ApproverNotAllowed")):
        yield case(
            f"certificate of team payments, {teams[0]} asked for",
            expected,
            value,
            approvers=[],
            authorities=one,
            requirement={"teams": teams},
        )
    narrowed = {"authorities": one, "requirement": {"teams": ["payments"]}}
    for what, expected, person_ in (
        ("in the same team", "Approved", person("erin", signing.key("spare").line, teams=["payments"])),
        ("in another team", "ApproverNotAllowed", person("erin", signing.key("spare").line, teams=["platform"])),
        (
            "that refuses certificates",
            "ApproverNotAllowed",
            person("erin", signing.key("spare").line, teams=["payments"], certificates="Refuse"),
        ),
        (
            "whose listed key has ended",
            "KeyRevoked",
            person("erin", teams=["payments"])
            | {
                "spec": person("erin", teams=["payments"])["spec"]
                | {"keys": [{"name": "k", "ssh": signing.key("erin").line, "notAfter": "2026-11-01T00:00:00Z"}]}
            },
        ),
    ):
        yield case(f"certificate beside an Approver {what}", expected, value, approvers=[person_], **narrowed)
    two = [*one, ssh_ca.document("second", other, principals=[name])]
    yield case(
        "certificate of a principal of two authorities", "ApproverNotAllowed", value, approvers=[], authorities=two
    )
    same = [*one, ssh_ca.document("second", principals=["*@example.org"])]
    yield case("certificate by a key of two authorities", "ApproverNotAllowed", value, approvers=[], authorities=same)
    for operator in (name, "ERIN@example.com", "oidc:erin@example.com"):
        yield case(
            f"certificate of the operator {operator}",
            "SelfApproval",
            value,
            approvers=[],
            authorities=[ssh_ca.document(kubernetesUsers=["{principal}", "oidc:{principal}"])],
            context={"operators": [operator]},
        )


def files() -> dict[str, list[dict[str, Any]]]:
    """Give all vectors by the names of their files."""
    groups = (accepted, envelope, statement, rules, changes, quorum, certificates)
    return {f"{group.__name__}.json": list(group()) for group in groups}


def main() -> None:
    """Write all files."""
    for name, vectors in files().items():
        (FOLDER / name).write_text(json.dumps(vectors, indent=1) + "\n")
    DIGESTS.write_text(json.dumps(list(digests()), indent=1) + "\n")


if __name__ == "__main__":
    main()
