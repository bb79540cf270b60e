"""Ingresses of one host share it: their controller sends a request by the longer path, to the canary, or to either.

So whoever makes another Ingress of a protected one's host, in whatever namespace, takes requests from that. Classes
keep nothing apart: one controller may have several.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.indirect.deleter import Deleter, asked_anyway
from seconder.admission.kinds import INGRESSES
from seconder.admission.lookups import Asking, Hosting, ask
from seconder.admission.request import WRITES
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import Target

_ANY: Final = ""
"""The host of a rule that names none, and of a default backend: all hosts."""

_WILD: Final = "*."
_HOSTS: Final = frozenset({"host-aliases", "hostname-extension", "redirect-from", "server-alias"})
"""Annotations of Kong, Application Gateway, ingress-nginx and HAProxy Ingress, whatever their prefix: further hosts,
or an expression.
"""

_EXPRESSIONS: Final = frozenset({"redirect-from-regex", "server-alias-regex", "skipper-routes"})
"""Those of HAProxy Ingress and Skipper that hold one in any case, or a route of their own."""

_CONDITIONS: Final = "conditions"
"""That of the AWS load balancer's controller, which the name of a Service follows: hosts by a word of its own."""

_SNIPPETS: Final = ("snippet", "snippets")
"""The ends of those of the controllers over NGINX that hold a piece of its configuration, at whatever place: one for a
location may close that and open a server."""

_STATEMENTS: Final = re.compile(r"(?<=[;{}\n])")
"""Where a directive of NGINX may begin; after a line's end, because a comment goes that far."""

_OF_SERVER: Final = re.compile(r"""\s*["']?(?:server_name|listen)["'\s]""")
"""A directive by which a server takes requests for a host, or whatever comes to a port. Its name may be quoted."""

_PLAIN: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
"""A host, or a wildcard as the API takes it. Programs take further patterns, each in its own way."""

_LONGEST: Final = 253
"""Characters of a host (RFC 1035). In an annotation longer texts may stand, which are more than a host, or none."""

_spec: Final[Any] = msgspec.json.Decoder()


def told(spec: Any, annotations: Mapping[str, str] | None) -> frozenset[str]:
    """The hosts that an Ingress has, in lower case; all where they cannot be read."""
    try:
        spec = spec or {}
        found = [rule.get("host") or _ANY for rule in spec.get("rules") or ()]
        # Programs make names of these. Of a wildcard nearly all have the certificate alone.
        hosts_of_tls = (host for tls in spec.get("tls") or () for host in tls.get("hosts") or ())
        found += [host for host in hosts_of_tls if not host.startswith(_WILD)]
        if spec.get("defaultBackend"):
            found.append(_ANY)
        for key, value in (annotations or {}).items():
            found += _added(key, value)
        hosts = (host.strip().rstrip(".").lower() for host in found)
        return frozenset(host if len(host) <= _LONGEST and _PLAIN.fullmatch(host) else _ANY for host in hosts)
    except (AttributeError, TypeError):
        return frozenset({_ANY})


def _added(key: str, value: str) -> list[str]:
    """The hosts that an annotation adds, whatever its prefix; all where they are told by more than their names."""
    name = key.rpartition("/")[2]
    if name in _HOSTS:
        return [each for each in value.split(",") if each.strip()]
    if name.partition(".")[0] == _CONDITIONS:
        return _conditions(value)
    # One after the other, so that it takes no longer than the text is long.
    serves = name.endswith(_SNIPPETS) and any(map(_OF_SERVER.match, _STATEMENTS.split(value)))
    return [_ANY] if serves or name in _EXPRESSIONS else []


class _Values(Struct, rename="camel", forbid_unknown_fields=True):
    values: list[str] = []
    regex_values: list[str] = []


class _Condition(Struct, rename="camel", forbid_unknown_fields=True):
    """Its controller takes names of fields in any case: what is not among these may be one of them."""

    field: str
    host_header_config: _Values | None = None
    http_header_config: Any = None
    http_request_method_config: Any = None
    path_pattern_config: Any = None
    query_string_config: Any = None
    source_ip_config: Any = msgspec.field(default=None, name="sourceIPConfig")


_read_conditions: Final = msgspec.json.Decoder(list[_Condition])


def _conditions(value: str) -> list[str]:
    """The hosts among conditions of the AWS load balancer's controller; all where they are told otherwise."""
    try:
        told = [each.host_header_config for each in _read_conditions.decode(value) if each.field == "host-header"]
    except (msgspec.MsgspecError, RecursionError):
        return [_ANY]
    if not all(each and each.values and not each.regex_values for each in told):
        return [_ANY]
    return [host for each in told if each for host in each.values]


def _adds(context: ReviewContext) -> bool:
    """Whether an update adds hosts, or routes of them, by an annotation."""
    old, new = context.request.stored, context.request.incoming
    return old != new and any(old.get(key) != value and _added(key, value) for key, value in new.items())


class Hosts:
    """Some hosts, to be compared with those of very many Ingresses."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: Final = frozenset(names)
        # What is below a domain stands together there.
        self._backwards: Final = sorted(name[::-1] for name in self._names)

    def meet(self, others: Iterable[str]) -> bool:
        """Whether one of some other hosts is among these, or a wildcard of either side is over one of the other."""
        return any(map(self._meets, others))

    def _meets(self, host: str) -> bool:
        if host in self._names or _ANY in self._names:
            return True
        if host == _ANY:
            return bool(self._names)
        # By the API a wildcard is over one label; ingress-nginx takes it for more.
        above = host
        while "." in above:
            above = above.partition(".")[2]
            if _WILD + above in self._names:
                return True
        if not host.startswith(_WILD):
            return False
        below = host[1:][::-1]
        first = bisect_left(self._backwards, below)
        return first < len(self._backwards) and self._backwards[first].startswith(below)


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected Ingresses that have a host which this one has afterwards."""
    request, target, policies = context.request, context.request.target, context.state.policies
    if request.subresource or (request.updates and not (context.rewrites or _adds(context))):
        return []
    hosts = told(codec.read(request, _spec, request.new_spec, "the Ingress"), request.new.annotations)
    if not hosts:
        return []
    found = yield from ask(Hosting(INGRESSES, tuple(sorted(hosts))))
    others = [
        Target(INGRESSES.resource, INGRESSES.kind, each.namespace, each.name, each.uid)
        for each in found
        if (each.namespace, each.name) != (target.namespace, target.name)
    ]
    asked = asked_anyway(context)
    # Of most there is nothing to say, and a default backend meets all of the cluster.
    return [goes_along(each) for each in others if not asked.issuperset(p.name for p in policies.protecting(each))]


DELETER: Final = Deleter(
    INGRESSES.resource,
    "its creation, or whatever is not free of it, or an annotation that adds hosts, with a host that another has, too;"
    " without a host it has all",
    "the protected Ingresses of that host, unless the same policies ask about the change itself",
    "requests for the host go to whichever has the longer path, or is the canary",
    _losses,
    WRITES,
    frozenset({INGRESSES.resource}),
    far=True,
)
