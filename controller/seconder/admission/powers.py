"""Rights that end the guard or lead round it: one list, for all who must know them.

An agent may not give them away (``rules.role_grants``), nor act as a ServiceAccount that has one
(``rules.pod_identity``), and where a control plane's owner has set up the authorizer, it may not use those that are
``denied`` (``authorizer``).
"""

import functools
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import Final

from msgspec import Struct

from seconder.admission import rbac
from seconder.admission.installation import ROLE_PREFIX
from seconder.admission.kinds import MESH, MESH_ROOT, NETWORK_PLUGINS, REDIRECTS
from seconder.admission.policy_index import Installation
from seconder.api import constants
from seconder.api.resources import ANY

ADMISSION: Final = "admissionregistration.k8s.io"
SERVERS: Final = "apiregistration.k8s.io"
CERTIFICATES: Final = "certificates.k8s.io"
FLOW_CONTROL: Final = "flowcontrol.apiserver.k8s.io"
_IDENTITIES: Final = "authentication.k8s.io"
_DEFINITIONS: Final = "apiextensions.k8s.io"

READS: Final = frozenset({"get", "list", "watch"})
MAKES: Final = frozenset({"create", "update", "patch"})
WRITES: Final = MAKES | {"delete", "deletecollection"}
ENDS: Final = frozenset({"delete", "deletecollection"})
EDITS: Final = frozenset({"update", "patch"})


class Place(Enum):
    """Where a right counts."""

    ANYWHERE = "anywhere"
    """On cluster-scoped objects, and in all namespaces at once."""
    HERE = "here"
    """In the namespace of the ServiceAccount that has it, or of the role that gives it."""
    KUBE_SYSTEM = "kube-system"
    KUBE_PUBLIC = "kube-public"
    NODE_LEASES = "kube-node-lease"
    DEFAULT = "default"
    MESH = MESH_ROOT
    """These five are in the namespace of that name."""
    INSTALLATION = "installation"
    """In the namespace where Seconder is installed."""
    AGENTS = "agents"
    """In the namespaces whose ServiceAccounts are agents."""
    NAMED = "named"
    """In the namespaces that policies name: whoever runs or enters pods there has what is protected at hand."""
    PORTAL = "portal"
    """In all namespaces at once, where there is a portal for approvers."""
    NODE_FILES = "node files"
    """On cluster-scoped objects, where agents may not run pods that reach their nodes."""


OF_ONE_NAMESPACE: Final = (Place.KUBE_SYSTEM, Place.KUBE_PUBLIC, Place.NODE_LEASES, Place.DEFAULT, Place.MESH)
"""The places that are one namespace each, whatever is installed; the value of each is its name."""


def everywhere(installation: Installation) -> frozenset[Place]:
    """The places that are all namespaces at once in an installation, and what is in none."""
    some = {Place.PORTAL: bool(installation.portal_host), Place.NODE_FILES: not installation.node_pods}
    return frozenset({Place.ANYWHERE, *(place for place, counts in some.items() if counts)})


class Power(Struct, frozen=True):
    """A right by what it is for.

    ``resource`` is as rules spell it, with its subresource; ``ANY`` is whatever there is. A verb that ends with ``*``
    stands for all that begin so: the API server is asked about none of these. ``name`` limits it to the object of this
    name; a right on all of them has an entry of its own. ``anybody``: it is not given to agents either, since it takes
    their tag off or the guard away. ``denied``: agents do not use it, whatever their roles say; no review would see or
    decide it. ``asked``: whether a ServiceAccount has it is asked before an agent acts as that; else agents do not give
    it, and that is all.
    """

    what: str
    group: str
    resource: str
    verbs: frozenset[str]
    places: tuple[Place, ...] = (Place.ANYWHERE,)
    name: str = ""
    anybody: bool = True
    denied: bool = True
    asked: bool = True


def _powers(
    what: str,
    group: str,
    resources: str,
    verbs: frozenset[str],
    places: tuple[Place, ...] = (Place.ANYWHERE,),
    **more: bool | str,
) -> Iterator[Power]:
    for resource in resources.split():
        yield Power(what, group, resource, verbs, places, **more)  # type: ignore[arg-type]  # name, anybody, denied


_LOCAL: Final = (Place.HERE, Place.KUBE_SYSTEM)
_SPECIAL: Final = (Place.ANYWHERE, Place.KUBE_SYSTEM, Place.INSTALLATION)
_EVERY_PLACE: Final = (Place.HERE, Place.KUBE_SYSTEM, Place.AGENTS, Place.INSTALLATION, Place.NAMED)
_LOCAL_OR_NAMED: Final = (*_LOCAL, Place.NAMED)

_ADMISSION_KINDS: Final = (
    "validatingwebhookconfigurations mutatingwebhookconfigurations validatingadmissionpolicies"
    " validatingadmissionpolicybindings mutatingadmissionpolicies mutatingadmissionpolicybindings"
)
_IMPERSONATION: Final = frozenset(
    {
        "impersonate",
        "impersonate:user-info",
        "impersonate:serviceaccount",
        "impersonate:arbitrary-node",
        "impersonate:associated-node",
    }
)
"""The verbs of impersonation (KEP-5284, constrained impersonation, names those with a colon)."""
_CONSTRAINED: Final = frozenset({"impersonate:*", "impersonate-on:*"})
"""All verbs of KEP-5284: for whom one may act, and, on each kind of object, what one may then do to it."""
ROUTING: Final = frozenset(
    {
        "cert-manager.io",
        "configuration.konghq.com",
        "externaldns.k8s.io",
        "gateway.networking.k8s.io",
        "networking.istio.io",
        "projectcontour.io",
        "traefik.io",
    }
)
"""API groups by which hosts are routed, or get a name or a certificate; of others no right is known to mean that."""
_UNREADABLE: Final = frozenset({"unsafe-delete-ignore-read-errors"})
"""What a deletion of unreadable objects takes beside ``delete`` (KEP-3926). No admission sees that deletion."""

POWERS: Final[tuple[Power, ...]] = (
    *_powers("change admission configuration", ADMISSION, _ADMISSION_KINDS, WRITES),
    Power(
        "change admission configuration",
        ADMISSION,
        "validatingwebhookconfigurations",
        EDITS | ENDS,
        name=constants.CONFIGURATION,
    ),
    Power("change which server answers for an API", SERVERS, "apiservices", WRITES),
    Power("change which server answers for an API", SERVERS, "apiservices/status", EDITS),
    *_powers("impersonate", "", "users groups", frozenset({"impersonate"})),
    Power("impersonate", "", "serviceaccounts", frozenset({"impersonate"}), _LOCAL),
    *_powers("impersonate", _IDENTITIES, "uids userextras userextras/seconder.dev/operator", _IMPERSONATION),
    *_powers("impersonate", _IDENTITIES, "users groups nodes", _IMPERSONATION),
    Power("impersonate", _IDENTITIES, "serviceaccounts", _IMPERSONATION, _LOCAL),
    Power("grant what they do not hold", rbac.GROUP, "clusterroles", frozenset({"bind", "escalate"})),
    Power("grant what they do not hold", rbac.GROUP, "roles", frozenset({"bind", "escalate"}), (Place.HERE,)),
    Power("make or approve certificates", CERTIFICATES, "certificatesigningrequests", WRITES),
    *_powers(
        "make or approve certificates",
        CERTIFICATES,
        "certificatesigningrequests/approval certificatesigningrequests/status",
        EDITS,
    ),
    Power("make or approve certificates", CERTIFICATES, "signers", frozenset({"approve", "attest", "sign"})),
    Power("make tokens of ServiceAccounts", "", "serviceaccounts/token", frozenset({"create"}), _EVERY_PLACE),
    Power("run commands through nodes", "", "nodes/proxy", READS | WRITES),
    # The API server takes a Namespace's own name for the namespace that the right counts in.
    Power("finalize namespaces", "", "namespaces/finalize", EDITS, (Place.HERE,)),
    Power("delete past admission what cannot be read", ANY, ANY, _UNREADABLE, (Place.ANYWHERE, Place.HERE)),
    Power("impersonate", ANY, ANY, _CONSTRAINED, (Place.ANYWHERE, Place.HERE)),
    *_powers(
        "change who is served first",
        FLOW_CONTROL,
        "flowschemas prioritylevelconfigurations",
        WRITES,
        anybody=False,
    ),
    *_powers(
        "change policies, approvers and change requests",
        constants.DOMAIN,
        " ".join(("protectionpolicies", *constants.WHO_APPROVES)),
        WRITES,
        anybody=False,
    ),
    # Not "patch": whoever is refused says why on their own change request, and rules.installation sees to it that
    # agents change nothing else there.
    Power(
        "change policies, approvers and change requests",
        constants.DOMAIN,
        "changerequests",
        WRITES - {"patch"},
        anybody=False,
    ),
    *_powers(
        "change policies, approvers and change requests",
        constants.DOMAIN,
        " ".join(f"{plural}/status" for plural in constants.KINDS),
        EDITS,
        anybody=False,
    ),
    *_powers("change roles and bindings", rbac.GROUP, "clusterroles clusterrolebindings", WRITES, anybody=False),
    *_powers(
        "change roles and bindings", rbac.GROUP, "roles rolebindings", WRITES, (Place.INSTALLATION,), anybody=False
    ),
    Power(
        "change roles and bindings",
        rbac.GROUP,
        "clusterroles",
        EDITS | ENDS,
        name=f"{ROLE_PREFIX}operator",
        anybody=False,
    ),
    Power("use Secrets of the cluster's own programs", "", "secrets", READS | WRITES, _SPECIAL, anybody=False),
    Power("write Secrets", "", "secrets", MAKES, (Place.HERE,), anybody=False, denied=False),
    Power("change ServiceAccounts of agents", "", "serviceaccounts", WRITES, (Place.AGENTS,), anybody=False),
    *_powers(
        "change or enter the guard's own namespace",
        "",
        "pods secrets serviceaccounts",
        WRITES,
        (Place.INSTALLATION,),
        anybody=False,
    ),
    Power(
        "change or enter the guard's own namespace",
        "",
        "pods/exec",
        frozenset({"create", "get"}),
        (Place.INSTALLATION,),
        anybody=False,
    ),
    Power(
        "change or enter the guard's own namespace", "apps", "deployments", WRITES, (Place.INSTALLATION,), anybody=False
    ),
    *_powers(
        "change resource definitions", _DEFINITIONS, "customresourcedefinitions", WRITES, anybody=False, denied=False
    ),
    # No agent writes it: what it says decides by which objects the garbage collector looks for owners.
    Power(
        "change resource definitions",
        _DEFINITIONS,
        "customresourcedefinitions/status",
        EDITS,
        anybody=False,
        denied=False,
    ),
    *(
        Power(
            "change the guard's own resource definitions",
            _DEFINITIONS,
            "customresourcedefinitions",
            EDITS | ENDS,
            name=f"{plural}.{constants.DOMAIN}",
            anybody=False,
        )
        for plural in constants.KINDS
    ),
    Power("run pods", "", "pods", MAKES, _LOCAL_OR_NAMED, anybody=False, denied=False),
    Power("run pods", "", "replicationcontrollers", MAKES, _LOCAL, anybody=False, denied=False),
    *_powers(
        "run pods",
        "apps",
        "daemonsets deployments replicasets statefulsets",
        MAKES,
        _LOCAL,
        anybody=False,
        denied=False,
    ),
    *_powers("run pods", "batch", "cronjobs jobs", MAKES, _LOCAL, anybody=False, denied=False),
    Power("run pods", "apps", "controllerrevisions", frozenset({"create"}), _LOCAL, anybody=False, denied=False),
    # A CronJob's last time says when the next one is.
    Power("run pods", "batch", "cronjobs/status", EDITS, _LOCAL, anybody=False, denied=False),
    Power("change running pods", "", "pods/ephemeralcontainers", MAKES, _LOCAL, anybody=False, denied=False),
    *_powers(
        "connect to pods",
        "",
        "pods/exec pods/attach pods/portforward",
        frozenset({"create", "get"}),
        _LOCAL_OR_NAMED,
        anybody=False,
        denied=False,
    ),
    *_powers(
        "connect to pods",
        "",
        "pods/proxy services/proxy",
        MAKES | {"get", "delete"},
        _LOCAL,
        anybody=False,
        denied=False,
    ),
    Power("evict pods", "", "pods/eviction", frozenset({"create"}), (Place.HERE,), anybody=False, denied=False),
    Power(
        "change autoscalers",
        "autoscaling",
        "horizontalpodautoscalers",
        MAKES,
        (Place.HERE,),
        anybody=False,
        denied=False,
    ),
    # What agents never write themselves, whatever policies say: a test tells of which rules.
    Power(
        "change who is who in the cluster",
        "",
        "configmaps",
        WRITES,
        (Place.KUBE_SYSTEM, Place.KUBE_PUBLIC),
        anybody=False,
        denied=False,
    ),
    *_powers(
        "change at which address the cluster finds its API server",
        "",
        "services endpoints",
        WRITES,
        (Place.DEFAULT,),
        anybody=False,
        denied=False,
    ),
    Power(
        "change at which address the cluster finds its API server",
        "discovery.k8s.io",
        "endpointslices",
        WRITES,
        (Place.DEFAULT,),
        anybody=False,
        denied=False,
    ),
    *_powers(
        "change which addresses Services have",
        "networking.k8s.io",
        "servicecidrs ipaddresses",
        WRITES,
        anybody=False,
        denied=False,
    ),
    # Of Services in a namespace anybody may make them: see the threat model's open list.
    Power(
        "change which addresses Services have",
        "",
        "services/status",
        EDITS,
        (Place.ANYWHERE, Place.HERE),
        anybody=False,
        denied=False,
    ),
    Power("make, change or end nodes", "", "nodes", WRITES, anybody=False, denied=False),
    Power("make, change or end nodes", "", "nodes/status", EDITS, anybody=False, denied=False),
    Power(
        "make volumes of nodes' files",
        "",
        "persistentvolumes",
        frozenset({"create"}),
        (Place.NODE_FILES,),
        anybody=False,
        denied=False,
    ),
    Power(
        "change which nodes live",
        "coordination.k8s.io",
        "leases",
        WRITES,
        (Place.NODE_LEASES,),
        anybody=False,
        denied=False,
    ),
    *(
        Power(
            "change who reaches whom in the whole cluster",
            group,
            ANY,
            WRITES,
            (Place.ANYWHERE, Place.KUBE_SYSTEM),
            anybody=False,
            denied=False,
            asked=False,
        )
        for group in sorted(NETWORK_PLUGINS)
    ),
    *(
        Power(
            "change who reaches whom in the whole cluster",
            *kind,
            WRITES,
            places,
            anybody=False,
            denied=False,
            asked=False,
        )
        for kind, places in (
            (REDIRECTS, (Place.ANYWHERE, Place.HERE)),
            *((kind, (Place.ANYWHERE, Place.MESH)) for kind in sorted(MESH)),
        )
    ),
    Power(
        "route what is sent to the approvers' portal",
        "networking.k8s.io",
        "ingresses",
        WRITES,
        (Place.PORTAL,),
        anybody=False,
        denied=False,
    ),
    *(
        Power(
            "route what is sent to the approvers' portal",
            group,
            ANY,
            WRITES,
            (Place.PORTAL,),
            anybody=False,
            denied=False,
            asked=False,
        )
        for group in sorted(ROUTING)
    ),
    *(
        power
        for group, resources in (
            ("", "configmaps endpoints limitranges resourcequotas services"),
            ("coordination.k8s.io", "leases"),
            ("discovery.k8s.io", "endpointslices"),
            ("networking.k8s.io", "networkpolicies"),
            ("policy", "poddisruptionbudgets"),
        )
        for power in _powers(
            "change or enter the guard's own namespace",
            group,
            resources,
            WRITES,
            (Place.INSTALLATION,),
            anybody=False,
            denied=False,
            asked=False,
        )
    ),
    *_powers(
        "change workloads",
        "apps",
        "deployments/scale deployments/status replicasets/scale replicasets/status statefulsets/scale"
        " statefulsets/status",
        EDITS,
        (Place.HERE,),
        anybody=False,
        denied=False,
    ),
)
"""The first ones are those that few ServiceAccounts have and administrators all: the sooner asked, the sooner known."""

GROUPS: Final = frozenset({ADMISSION, SERVERS, CERTIFICATES, FLOW_CONTROL, rbac.GROUP, constants.DOMAIN})
"""API groups of which every object is such a power, ones that a later Kubernetes adds to them included."""

_WHOLE: Final = GROUPS | {_IDENTITIES}
"""Each key of ``userextras`` is a resource of its own."""


def askable(power: Power) -> list[str]:
    """The verbs of a power that are verbs, sorted."""
    return sorted(verb for verb in power.verbs if not verb.endswith(ANY))


def allows(power: Power, verb: str) -> bool:
    """Whether a verb is one of a power's."""
    return verb in power.verbs or verb.startswith(beginnings(power.verbs))


@functools.cache
def beginnings(verbs: frozenset[str]) -> tuple[str, ...]:
    """How verbs begin for which others of a power stand."""
    return tuple(verb.removesuffix(ANY) for verb in verbs if verb.endswith(ANY))


def covers(power: Power, group: str, resource: str) -> bool:
    """Whether a power is about these, ``*`` for any on either side. ``resource`` has its subresource."""
    return covers_some(power, {group: (resource,)})


def covers_some(power: Power, resources: Mapping[str, Collection[str]]) -> bool:
    """Whether a power is about some of these resources, which are told by group: see ``covers``. No group has none."""
    if power.group == ANY:
        return bool(resources)
    spellings = _spellings(power)
    return any(
        group in resources and (spellings is None or not spellings.isdisjoint(resources[group]))
        for group in (power.group, ANY)
    )


@functools.cache
def _spellings(power: Power) -> frozenset[str] | None:
    """How a rule may spell the resource of a power; None for any."""
    if power.resource == ANY or (power.group in _WHOLE and "/" not in power.resource):
        return None
    parent, slash, subresource = power.resource.partition("/")
    return frozenset({power.resource, ANY, f"{ANY}/{subresource}"} if slash else {parent, ANY})
