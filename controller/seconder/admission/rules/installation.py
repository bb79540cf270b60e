"""Seconder's own objects are not for agents, whatever policies say."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, installation
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.review import ReviewContext
from seconder.admission.rule import Binds, Rule
from seconder.api import constants


def evaluate(context: ReviewContext) -> Findings:
    """Refuse whatever an agent does to one of Seconder's own objects."""
    yield from ()
    own = installation.own_object(context.request.target, context.state.installation)
    return [Refusal(f"agents may not change {own}")] if own else []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Kinds of the group, the namespace, the definitions and the roles."""
    own_definitions = (
        'request.resource.group == "apiextensions.k8s.io"'
        ' && request.resource.resource == "customresourcedefinitions"'
        f" && (!has(request.name) || request.name.endsWith({cel.quote('.' + constants.DOMAIN)}))"
    )
    own_roles = cel.either(
        [
            f"request.resource.group == {cel.quote(group)} && request.resource.resource == {cel.quote(plural)}"
            f" && (!has(request.name) || request.name.startsWith({cel.quote(installation.ROLE_PREFIX)}))"
            for group, plural in installation.ROLES
        ]
    )
    return [
        Prefilter(Entry.GUARD, expression)
        for expression in (
            f"request.resource.group == {cel.quote(constants.DOMAIN)}",
            f"has(request.namespace) && request.namespace == {cel.quote(place.namespace)}",
            own_definitions,
            own_roles,
        )
    ]


RULE: Final = Rule(
    "installation",
    "Agents write no policy, approver or change request, nothing in Seconder's namespace, and none of its roles.",
    Binds.AGENTS,
    evaluate,
    prefilters,
)
