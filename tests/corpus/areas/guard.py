"""What agents may not touch whatever they present: the guard, identities, approvals."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    APPROVERS,
    KIRO,
    Document,
    binding,
    changed,
    cluster_role,
    config_map,
    definition,
    deployment,
    make,
    namespace,
    policy,
    role,
    service_account,
)
from tests.corpus.builders.reviews import AGENT, PERSON, account, connect, create, delete, review, update, user
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import NOW, annotation, approved

REFUSED = "ProtectedConfiguration"
MALFORMED = "RequestMalformed"
FREE = "NotCovered"
UNKNOWN = "InternalError"
SECRET = make("Secret", "token", type="Opaque", data={"a": "Yg=="})


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _ours()
    yield from _by_whom()
    yield from _identities()
    yield from _tokens()
    yield from _annotations()


def _ours() -> Iterator[Expected]:
    own = {
        "an Approver": APPROVERS[0],
        "a ProtectionPolicy": DEPLOYMENTS,
        "a ChangeRequest": make("ChangeRequest", "chg-00000000000000000000000000", spec={}),
        "the guard's namespace": namespace("seconder-system"),
        "the agents' namespace": namespace("seconder-agents"),
        "a ConfigMap in the guard's namespace": config_map("x", "seconder-system"),
        "a definition of the guard's": definition("Approver"),
        "a role of the guard's": cluster_role("seconder-webhook"),
        "a binding of the guard's": binding("seconder-webhook", cluster_role("view"), cluster=True),
        "which server answers for an API": make("APIService", "v1.apps", spec={}),
    }
    for what, document in own.items():
        yield case(f"an agent deletes {what}", REFUSED, delete(document))
        yield case(f"an agent changes {what}", REFUSED, update(document, changed(document, labels={"a": "b"})))
    for what in ("an Approver", "a role of the guard's"):
        yield case(f"a person changes {what}", FREE, update(own[what], changed(own[what], labels={"a": "b"}), PERSON))
    yield case("an agent makes an Approver", REFUSED, create(make("Approver", "kiro", spec={})))
    yield case(
        "an agent writes a ChangeRequest's status",
        REFUSED,
        update(own["a ChangeRequest"], own["a ChangeRequest"], below="status"),
    )
    yield case(
        "an agent connects to a pod in the guard's namespace",
        REFUSED,
        connect(make("Pod", "webhook", "seconder-system", spec={}), "exec"),
    )
    yield case("something else that is called like the guard's namespace", FREE, delete(config_map("seconder-system")))
    near = cluster_role("other-seconder-")
    yield case("a role that is not called like the guard's", FREE, delete(near))
    yield case("a Role in a namespace that is called so", FREE, delete(role("seconder-webhook")))
    other = {"namespace": "guard"}
    yield case("the guard in another namespace", REFUSED, delete(config_map("x", "guard")), options=other)


def _by_whom() -> Iterator[Expected]:
    other = {"namespace": "guard"}
    yield case(
        "the usual namespace of a guard that is elsewhere",
        FREE,
        delete(config_map("x", "seconder-system")),
        options=other,
    )
    approver = APPROVERS[0]
    yield case("the guard's own is not refused a second time by Audit", FREE, delete(approver), path=AUDIT)
    everyone = policy("production", "approvers.seconder.dev", "deployments.apps", subjects="Everyone")
    yield case(
        "a person's DELETE of a kind of the guard's under a policy for Everyone",
        FREE,
        delete(approver, PERSON),
        everyone,
    )
    space = deployment(namespace="seconder-system")
    yield case(
        "a person's DELETE in the guard's namespace under a policy for Everyone", FREE, delete(space, PERSON), everyone
    )
    yield case(
        "an agent that a policy alone calls one",
        REFUSED,
        delete(approver, user("x", "bots")),
        policy("p", "nodes", agents={"groups": ["bots"]}),
    )
    controller = account("kube-system", "namespace-controller", extra={"seconder.dev/agent": ["kiro"]})
    yield case("a controller with an agent's extra key", "Exempt", delete(approver, controller))
    managed = policy("p", "nodes", agents={"fieldManagers": ["bot"]})
    yield case(
        "an agent by a field manager is none here", FREE, update(approver, approver, PERSON, manager="bot"), managed
    )


def _identities() -> Iterator[Expected]:
    yield case(
        "an agent makes a ServiceAccount of agents", REFUSED, create(service_account("other", "seconder-agents"))
    )
    yield case(
        "an agent annotates its own ServiceAccount", REFUSED, update(KIRO, changed(KIRO, annotations={"a": "b"}))
    )
    yield case("an agent deletes a ServiceAccount of agents", REFUSED, delete(KIRO))
    yield case("an agent makes a ServiceAccount elsewhere", FREE, create(service_account("worker")))
    tagged = policy("p", "nodes", agents={"users": ["system:serviceaccount:payments:bot"]})
    yield case(
        "an agent deletes a ServiceAccount that a policy calls an agent",
        REFUSED,
        delete(service_account("bot")),
        tagged,
    )
    grouped = policy("p", "nodes", agents={"groups": ["system:serviceaccounts:payments"]})
    yield case(
        "an agent deletes a ServiceAccount whose group is an agents'", REFUSED, delete(service_account("bot")), grouped
    )
    yield case(
        "a person changes a ServiceAccount of agents", FREE, update(KIRO, changed(KIRO, annotations={"a": "b"}), PERSON)
    )
    request = make("CertificateSigningRequest", "x", spec={"signerName": "kubernetes.io/kube-apiserver-client"})
    yield case("an agent asks for a certificate", REFUSED, create(request))
    yield case("an agent approves a certificate", REFUSED, update(request, request, below="approval"))
    yield case("an agent deletes a request for a certificate", FREE, delete(request))
    for kind in ("kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"):
        yield case(f"an agent writes a Secret of type {kind}", REFUSED, create(SECRET | {"type": kind}))
        yield case(f"an agent deletes a Secret of type {kind}", FREE, delete(SECRET | {"type": kind}))
    yield case("an agent writes a Secret", FREE, update(SECRET, SECRET | {"data": {}}))
    yield case("an agent writes a Secret without a type", FREE, create(SECRET | {"type": None}))
    node = make("Node", "worker-1", spec={})
    yield case("an agent connects to a node", REFUSED, connect(node, "proxy"))
    yield case("a person connects to a node", FREE, connect(node, "proxy", PERSON))
    yield case("an agent labels a node", FREE, update(node, changed(node, labels={"a": "b"})))
    place = namespace()
    yield case("an agent finalizes a namespace", REFUSED, update(place, changed(place, spec={}), below="finalize"))
    yield case("an agent writes a namespace's status", FREE, update(place, place, below="status"))


def _token(of: Document, by: Document, seconds: int | None = 3600, **spec: Any) -> Document:
    """Give the review of a request for a ServiceAccount's token."""
    kind = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
    metadata = {key: of["metadata"][key] for key in ("name", "namespace", "uid")}
    asked = {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": seconds, "boundObjectRef": None}
    token = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": metadata,
        "spec": asked | spec,
    }
    return review("CREATE", of, by, below="token", kind=kind, object=token)


def _tokens() -> Iterator[Expected]:
    other = service_account("other", "seconder-agents")
    yield case("an agent's token of its own, without an end", FREE, _token(KIRO, AGENT))
    yield case("an agent's token of another agent", REFUSED, _token(other, AGENT), other)
    yield case("an agent's token of a ServiceAccount elsewhere", REFUSED, _token(service_account("worker"), AGENT))
    yield case("a person's token of an agent", FREE, _token(KIRO, PERSON))
    yield case("an agent's own token, where the view may be out of date", UNKNOWN, _token(KIRO, AGENT), fresh=False)
    ends = service_account("kiro", "seconder-agents", token_end="2026-11-22T05:01:40Z")
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "x", "uid": "y"}
    for what, reason, seconds, spec in (
        ("as long as its end leaves", FREE, 3600, {}),
        ("a second longer than its end leaves", REFUSED, 3601, {}),
        ("without a lifetime", REFUSED, None, {}),
        ("of no time at all", REFUSED, 0, {}),
        ("that is bound to a pod", REFUSED, 600, {"boundObjectRef": bound}),
    ):
        yield case(f"an agent's own token {what}", reason, _token(KIRO, AGENT, seconds, **spec), ends)
    for what, end in (
        ("that has passed", "2026-11-22T03:00:00Z"),
        ("that is no time", "soon"),
        ("without a zone", "2026-11-23T00:00:00"),
    ):
        set_to = service_account("kiro", "seconder-agents", token_end=end)
        yield case(f"an agent's own token under an end {what}", REFUSED, _token(KIRO, AGENT), set_to)
    keyed = account("seconder-agents", "kiro", extra={"seconder.dev/agent": ["kiro"]})
    yield case("an own token that would lose an extra key", REFUSED, _token(KIRO, keyed))
    grouped = account("seconder-agents", "kiro", groups=["seconder.dev:agents"])
    yield case("an own token that would lose a group", REFUSED, _token(KIRO, grouped))
    bot = service_account("bot")
    named = policy("p", "nodes", agents={"users": ["system:serviceaccount:payments:bot"]})
    yield case("an own token of an agent by its user name", FREE, _token(bot, account("payments", "bot")), named, bot)
    nothing = _token(KIRO, AGENT)
    nothing["request"]["object"] = None
    yield case("an own token that asks nothing, without an end", MALFORMED, nothing)
    yield case("an own token that asks nothing, under an end", MALFORMED, nothing, ends)


def _annotations() -> Iterator[Expected]:
    ours = annotation(CHECKOUT)
    glass = {"seconder.dev/break-glass": "2026-11-22T04:00:00Z the site is down"}
    for what, held in (("an approval", ours), ("a break-glass annotation", glass)):
        marked = changed(CHECKOUT, annotations=held)
        yield case(f"an agent writes {what}", REFUSED, update(CHECKOUT, marked))
        yield case(f"an agent makes an object with {what}", REFUSED, create(marked))
        yield case(f"an agent leaves {what} as it is", FREE, update(marked, changed(marked, labels={"a": "b"})))
        yield case(f"a person writes {what}", FREE, update(CHECKOUT, marked, PERSON))
    noted = changed(CHECKOUT, annotations=glass)
    yield case("an agent takes away a break-glass annotation", REFUSED, update(noted, CHECKOUT))
    own, another = approved(CHECKOUT), approved(CHECKOUT, sub="dana@example.com", act=None)
    yield case("an agent takes away an approval of its own", REFUSED, update(own, CHECKOUT))
    yield case("an agent takes away an approval of somebody else", REFUSED, update(another, CHECKOUT))
    for what, end, expected in (("over", NOW - 60, FREE), ("over by this clock", NOW - 59, REFUSED)):
        late = approved(CHECKOUT, iat=end - 900, exp=end, sub="dana@example.com", act=None)
        yield case(f"an agent takes away an approval that is {what}", expected, update(late, CHECKOUT))
        yield case(f"an agent brings back an approval that is {what}", expected, update(CHECKOUT, late))
    two = approved(approved(CHECKOUT), detail={"actions": ["ScaleToZero"]})
    yield case("an agent exchanges an approval for another", REFUSED, update(approved(CHECKOUT), two))
    yield case(
        "an agent deletes an object with an approval for another",
        "WrongObject",
        delete(changed(CHECKOUT, annotations=annotation(deployment("other")))),
        DEPLOYMENTS,
    )
    full = {"example.com/note": "x" * (192 * 1024)}
    crowded = changed(CHECKOUT, annotations=full)
    yield case("an agent fills an object's annotations", REFUSED, update(CHECKOUT, crowded), DEPLOYMENTS)
    yield case("an agent fills the annotations of what no policy names", FREE, update(CHECKOUT, crowded))
    just = changed(CHECKOUT, annotations={"example.com/note": "x" * (192 * 1024 - 16)})
    yield case("an agent leaves just room for approvals", FREE, update(CHECKOUT, just))
    yield case(
        "an agent writes an object that is full already", FREE, update(crowded, changed(crowded, labels={"a": "b"}))
    )
    yield case("a person fills an object's annotations", FREE, update(CHECKOUT, crowded, PERSON))
    wide = changed(CHECKOUT, annotations={"example.com/note": "\u00e4" * (96 * 1024)})
    yield case("annotations are counted in bytes", REFUSED, update(CHECKOUT, wide), DEPLOYMENTS)
    tag = {"seconder.dev/agent": "kiro"}
    yield case("an agent tags an object", REFUSED, update(CHECKOUT, changed(CHECKOUT, annotations=tag)))
    tagged = changed(CHECKOUT, annotations=tag)
    yield case("an agent takes the tag off an object", REFUSED, update(tagged, CHECKOUT))
    yield case("an agent makes an object with the tag", FREE, create(tagged))
    yield case("an agent leaves the tag as it is", FREE, update(tagged, changed(tagged, labels={"a": "b"})))
    yield case("a person tags an object", FREE, update(CHECKOUT, tagged, PERSON))
