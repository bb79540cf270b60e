"""The host of the approvers' page: whoever serves something there, or below it, can have their passkeys sign."""

import functools
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.kinds import POD_RUNNERS
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, Metadata
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api import constants
from seconder.api.resources import CONFIG_MAPS, NAMESPACES, SECRETS, GroupResource

_ROUTE_NOTHING: Final = POD_RUNNERS | {
    NAMESPACES,
    SECRETS,
    CONFIG_MAPS,
    GroupResource("", "events"),
}
"""Kinds that may name the host, as a link, and by which nobody finds a server. Whatever other kinds name it may be a
route of some Ingress, Gateway or mesh, a name for DNS, or a certificate."""

_NAME: Final = b"[A-Za-z0-9-]"


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what names the host, or a wildcard over it, and is changed or ended; before or afterwards."""
    yield from ()
    request, host = context.request, context.state.installation.portal_host
    if not host or request.target.resource.group == constants.DOMAIN:
        return []
    before, after = _told(request.old_spec, request.old), _told(request.new_spec, request.new)
    if not (_naming(host).search(before) or _naming(host).search(after)):
        return []
    if before == after and not context.may_end:
        return []
    return [Refusal("agents may not change what routes or names the host of the approvers' portal")]


def _told(spec: msgspec.Raw, metadata: Metadata) -> bytes:
    """What of an object may route: annotations do as well. No character of a host is written by an escape."""
    return bytes(spec) + msgspec.json.encode(metadata.annotations or {}, order="sorted")


@functools.lru_cache(2)
def _naming(host: str) -> re.Pattern[bytes]:
    """What finds the host, all below it, and wildcards over it."""
    labels = host.split(".")
    over = ["*." + ".".join(labels[first:]) for first in range(1, len(labels))]
    wanted = b"|".join(re.escape(name.encode()) for name in (host, *over))
    return re.compile(rb"(?<!%b)(?:%b)(?!\.?%b)" % (_NAME, wanted, _NAME), re.IGNORECASE)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever has fields of its kind, where there is a portal."""
    if not place.portal_host:
        return []
    fields = "(object != null && has(object.spec)) || (oldObject != null && has(oldObject.spec))"
    return [Prefilter(Entry.GUARD, f'request.operation != "CONNECT" && !({cel.one_of(_ROUTE_NOTHING)}) && ({fields})')]


RULE: Final = Rule(
    "portal-host",
    "Agents route nothing to the host of the approvers' portal, and name it in no certificate and no DNS.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS, others=_ROUTE_NOTHING),
)
