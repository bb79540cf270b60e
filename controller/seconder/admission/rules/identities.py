"""What identities rest on is not for agents: certificates, token Secrets, who answers for an API, and nodes."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from seconder.admission import cel, codec, defined_kinds, powers
from seconder.admission.findings import Findings, Refusal
from seconder.admission.kinds import BUILT_IN_GROUPS, METRICS_GROUPS
from seconder.admission.lookups import ServedElsewhere, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import ANY, DEFINITIONS, NODES, SECRETS, GroupResource

TOKEN_SECRETS: Final = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
"""Types of Secrets that the control plane fills with tokens, or takes tokens from."""

_OF_KUBERNETES: Final = "the API groups of Kubernetes itself"
_CONVERTER: Final = "which webhook converts a kind's objects between versions"
_STATUS: Final = "the status of definitions, which says what the API server serves"


class _Secret(msgspec.Struct):
    type: str | None = None


_secrets: Final = msgspec.json.Decoder(codec.ObjectsReview[_Secret])


class _Conversion(msgspec.Struct):
    strategy: str = ""
    webhook: Any = None


class _Definition(msgspec.Struct):
    conversion: _Conversion | None = None


_spec: Final = msgspec.json.Decoder(_Definition | None)


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what would give an agent another identity, or answers of its own making."""
    request = context.request
    what = _what(request)
    if not what and request.target.resource == DEFINITIONS and bytes(request.old_spec) != bytes(request.new_spec):
        # The API server answers for a definition's version where another server does not: what is asked for by the
        # group's preferred version, a namespace's contents among it, is then not what is there.
        elsewhere = request.operation in WRITES and (yield from ask(ServedElsewhere(_group(request))))
        what = "API groups that another server answers for" if elsewhere else ""
    return [Refusal(f"agents may not change {what}")] if what else []


def _what(request: Request) -> str:
    resource = request.target.resource
    # A server of an agent's own could answer for any object, Seconder's among them.
    if resource.group == powers.SERVERS:
        return "which server answers for an API"
    if resource == DEFINITIONS and request.operation in WRITES:
        return _of_definition(request)
    if resource.group == powers.CERTIFICATES and request.operation in WRITES:
        return "certificates that identities rest on"
    if resource == SECRETS and request.operation in WRITES:
        secret = codec.objects(request, _secrets, "the Secret's type").object
        return "Secrets that hold tokens of identities" if secret and secret.type in TOKEN_SECRETS else ""
    if resource == NODES and request.operation is Operation.CONNECT:
        return "what runs on nodes"
    return ""


def _of_definition(request: Request) -> str:
    # The API server alone writes it, and believes it. Who says there that names are accepted has a second kind served
    # in the place of another: the garbage collector then looks for owners among the wrong objects, and finds none. And
    # what goes with a definition is what the names stand for that it says are its own.
    if request.subresource:
        return _STATUS
    # One more version of its own would come before the API server's, in what people and controllers discover.
    if _group(request) in BUILT_IN_GROUPS:
        return _OF_KUBERNETES
    if _group(request) in METRICS_GROUPS:
        return "what autoscalers measure by"
    # Where it does not answer, objects of the kind cannot be listed, so that no namespace is ever deleted to the end.
    held, wanted = _conversion(request, request.old_spec), _conversion(request, request.new_spec)
    return _CONVERTER if wanted != held and wanted.strategy == "Webhook" else ""


def _group(request: Request) -> str:
    """The API group of a definition, which its name ends with."""
    return request.target.name.partition(".")[2]


def _conversion(request: Request, spec: msgspec.Raw) -> _Conversion:
    definition = codec.read(request, _spec, spec, "the definition")
    return (definition and definition.conversion) or _Conversion()


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Two API groups, definitions, Secrets of two types, and connections to nodes."""
    return [
        Prefilter(Entry.GUARD, expression)
        for expression in (
            f"request.resource.group in {cel.listed([powers.SERVERS, powers.CERTIFICATES])}",
            defined_kinds.DEFINES,
            f"{cel.kind(SECRETS)} && object != null && has(object.type) && object.type in {cel.listed(TOKEN_SECRETS)}",
            f'request.operation == "CONNECT" && {cel.kind(NODES)}',
        )
    ]


RULE: Final = Rule(
    "identities",
    "Agents ask for no certificate, make no token Secret, answer for no API of others, name no webhook that converts"
    " objects, say of no definition that it is served, and connect to no node.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(
        resources={
            GroupResource(powers.SERVERS, ANY),
            GroupResource(powers.CERTIFICATES, ANY),
            DEFINITIONS,
            SECRETS,
            NODES,
        }
    ),
)
