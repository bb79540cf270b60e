"""Defining kinds that stand before others in what is discovered."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import CONFIG_MAPS, DEFINITIONS, Field, Kind

_INGRESSES: Final = Kind("networking.k8s.io", "ingresses")
_SERVERS: Final = Kind("apiregistration.k8s.io", "apiservices", namespaced=False)
_NAME: Final = "ingresses.networking.k8s.io"
_BACKEND: Final = {"service": {"name": "web", "port": {"number": 80}}}


def _shadow(scope: str) -> dict[str, Any]:
    """A definition of Ingresses in a newer version than the API server has."""
    shadow = documents.definition("ingresses", "networking.k8s.io", "Ingress", scope)
    shadow["spec"]["versions"][0]["name"] = "v9"
    return shadow


@attack(variants={"Cluster": ("Cluster",), "Namespaced": ("Namespaced",)})
def shadow_a_kind_of_kubernetes_own(field: Field, scope: str) -> None:
    """An agent defines a kind of Kubernetes' own once more, in a newer version."""
    field.later_removed(DEFINITIONS.path("", _NAME))
    field.refused("POST", DEFINITIONS.path(""), _shadow(scope))


@attack()
def shadow_a_kind_of_another_server(field: Field) -> None:
    """An agent defines a kind in a group that another server answers for, in a version that comes first."""
    group = f"{field.place}.example.com"
    service = {"namespace": field.place, "name": "nobody"}
    spec = {"group": group, "version": "v1", "service": service, "insecureSkipTLSVerify": True}
    spec |= {"groupPriorityMinimum": 1, "versionPriority": 1}
    field.make(_SERVERS, {"metadata": {"name": f"v1.{group}"}, "spec": spec})
    shadow = documents.definition("vaults", group, "Vault")
    shadow["spec"]["versions"][0]["name"] = "v2"
    field.later_removed(DEFINITIONS.path("", shadow["metadata"]["name"]))
    field.refused("POST", DEFINITIONS.path(""), shadow)


def _names(plural: str, kind: str) -> dict[str, str]:
    return {"plural": plural, "singular": plural[:-1], "kind": kind, "listKind": f"{kind}List"}


_ACCEPTED: Final = [
    {"type": each, "status": "True", "reason": "Said", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    for each in ("NamesAccepted", "Established")
]
_STATED: Final[dict[str, tuple[str, dict[str, str]]]] = {
    # Both are served then, and whoever looks for an Owner looks among the second one's objects.
    "as-a-second-one": ("zowners", _names("zowners", "Owner")),
    # What others' owner references call it is then nothing.
    "by-another-name": ("owners", _names("owners", "Other")),
}


def _state(field: Field, plural: str, accepted: dict[str, str]) -> None:
    """Have the agent write which names of a definition are accepted: in whichever way, it is refused."""
    path = DEFINITIONS.path("", f"{plural}.{field.place}.example.com")
    status = {"acceptedNames": accepted, "conditions": _ACCEPTED, "storedVersions": ["v1"]}
    field.refused("PATCH", f"{path}/status?dryRun=All", {"status": status})
    field.refused("PATCH", f"{path}/status", {"status": status})
    field.refused("PUT", f"{path}/status", {**field.admin("GET", path).document, "status": status})


def _owners(field: Field) -> str:
    """A kind of a person's, with one object; the path of that."""
    kind = Kind(f"{field.place}.example.com", "owners")
    field.make(DEFINITIONS, documents.definition(kind.plural, kind.group, "Owner"))
    field.make(kind, {"apiVersion": f"{kind.group}/v1", "kind": "Owner", "metadata": {"name": "o"}})
    return kind.path(field.place, "o")


def _define(field: Field, plural: str, kind: str, *short: str) -> None:
    """Have the agent define a kind in the group of ``_owners``."""
    document = documents.definition(plural, f"{field.place}.example.com", kind)
    document["spec"]["names"]["shortNames"] = [*short]
    field.later_removed(DEFINITIONS.path("", document["metadata"]["name"]))
    field.done("POST", DEFINITIONS.path(""), document)


@attack(variants=_STATED)
def have_a_kind_served(field: Field, plural: str, accepted: dict[str, str]) -> None:
    """An agent says in a definition's status that a kind is served, so that owners are looked for elsewhere."""
    owner = _owners(field)
    if plural != "owners":
        _define(field, plural, "Owner")
    _state(field, plural, accepted)
    field.lasts(owner)


@attack()
def have_others_objects_go_with_a_definition(field: Field) -> None:
    """An agent says in its own definition's status that another kind's objects are its own, and deletes that."""
    owner = _owners(field)
    # What the first has for a short name the second is not given for its plural: it keeps the one that it says.
    _define(field, "blocks", "Block", "zowners")
    field.eventually(
        lambda: "blocks" in str(field.admin("GET", f"/apis/{field.place}.example.com/v1").document), "it is served"
    )
    _define(field, "zowners", "Zowner")
    _state(field, "zowners", _names("owners", "Owner"))
    definition = DEFINITIONS.path("", f"zowners.{field.place}.example.com")
    # What its objects name is read first, and the right to that is given to the webhook a moment after it is made.
    field.eventually(lambda: field.agent("DELETE", definition).done, "its own definition may be deleted")
    field.lasts(owner, 2.0)


@attack(variants={"create": (True,), "update": (False,)})
def convert_by_a_webhook_that_is_not_there(field: Field, at_once: bool) -> None:
    """An agent defines a kind whose objects nobody can list, so that no namespace is ever deleted to the end."""
    document = documents.definition("gears", f"{field.place}.example.com", "Gear")
    name = document["metadata"]["name"]
    field.later_removed(DEFINITIONS.path("", name))
    service = {"namespace": field.place, "name": "nobody", "path": "/"}
    webhook = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]}
    conversion = {"conversion": {"strategy": "Webhook", "webhook": webhook}}
    if at_once:
        field.refused("POST", DEFINITIONS.path(""), {**document, "spec": {**document["spec"], **conversion}})
        return
    field.done("POST", DEFINITIONS.path(""), document)
    field.refused("PATCH", DEFINITIONS.path("", name), {"spec": conversion})


@attack(variants={"Cluster": ("Cluster",), "Namespaced": ("Namespaced",)})
def use_what_shadows_a_kind(field: Field, scope: str) -> None:
    """Somebody has defined a protected kind of Kubernetes' own once more; agents are refused still, people are not."""
    path = _INGRESSES.path(field.place, "web")
    field.make(_INGRESSES, {"metadata": {"name": "web"}, "spec": {"defaultBackend": _BACKEND}})
    field.protect(_INGRESSES, path)
    field.make(DEFINITIONS, _shadow(scope))
    group = "/apis/networking.k8s.io"
    field.eventually(
        lambda: field.admin("GET", group).document["preferredVersion"]["version"] == "v9", "its version comes first"
    )
    again = f"{field.place}-again"
    field.namespace(again)
    # The operator has looked at what is served by the time that another policy is in force.
    field.protect_places([again])
    field.make(Kind("apps", "deployments"), documents.deployment(), again)
    checkout = Kind("apps", "deployments").path(again, "checkout")
    dry = {"dryRun": ["All"]}
    field.eventually(lambda: not field.agent("DELETE", f"{checkout}?dryRun=All", dry).done, "the policy is in force")
    said = field.refused("DELETE", path)
    if "needs approval" not in said.message:
        field.lost(f"the agent is told something else: {said.first_line}")
    field.free("PATCH", path, {"metadata": {"labels": {"team": "shop"}}})
    field.free("DELETE", path)


def _backups(field: Field) -> tuple[Kind, Kind]:
    """A kind in two versions, of which the first alone shows a Backup's ``retention``; one of these, protected."""
    group = f"{field.place}.example.com"
    document = documents.definition("backups", group, "Backup")
    texts = {"type": "string"}
    shown = {"bucket": texts, "copies": {"type": "integer"}}
    scale = {"specReplicasPath": ".spec.copies", "statusReplicasPath": ".status.copies"}
    document["spec"]["versions"] = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "subresources": {"status": {}, "scale": scale},
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {"type": "object", "properties": fields},
                        "status": {"type": "object", "properties": {"copies": {"type": "integer"}}},
                    },
                }
            },
        }
        for name, fields in (("v1", {**shown, "retention": texts}), ("v1beta1", shown))
    ]
    field.make(DEFINITIONS, document)
    kinds = Kind(group, "backups"), Kind(group, "backups", "v1beta1")
    spec = {"bucket": "s3", "copies": 2, "retention": "10y"}
    field.make(kinds[0], {"apiVersion": f"{group}/v1", "kind": "Backup", "metadata": {"name": "b"}, "spec": spec})
    field.protect(kinds[0], kinds[0].path(field.place, "b"))
    return kinds


_WRITES: Final[dict[str, tuple[str, Any]]] = {
    "annotation": ("", {"metadata": {"annotations": {"note": "hello"}}}),
    "status": ("/status", {"status": {"copies": 1}}),
    "scale": ("/scale", {"spec": {"replicas": 3}}),
}


@attack(variants=_WRITES)
def ask_in_a_version_that_knows_less(field: Field, subresource: str, changes: Any) -> None:
    """An agent changes something free of a protected object in another version, in which its fields do not exist."""
    whole, less = (kind.path(field.place, "b") for kind in _backups(field))
    field.refused("PATCH", f"{less}{subresource}", changes)
    if field.lasts(whole)["spec"].get("retention") != "10y":
        field.lost("a field is gone that the version did not know in which the agent asked")
    field.done("PATCH", whole, _WRITES["annotation"][1])
    field.free("PATCH", f"{less}{subresource}", changes)


@attack()
def have_all_of_a_kind_stored_anew(field: Field) -> None:
    """An agent has the migration controller write all objects of a kind in a version that knows fewer fields."""
    migrations = Kind("storagemigration.k8s.io", "storageversionmigrations", namespaced=False)
    if not field.admin("GET", migrations.path("")).done:
        raise field.untried("there is no migration controller")
    kind, _ = _backups(field)
    name = f"{field.place}-backups"
    field.later_removed(migrations.path("", name))
    spec = {"resource": {"group": kind.group, "resource": kind.plural}}
    field.refused("POST", migrations.path(""), {"metadata": {"name": name}, "spec": spec})


@attack(variants={"names": (1, 5000), "versions": (400, 0), "both": (50, 200)})
def fill_discovery(field: Field, versions: int, names: int) -> None:
    """An agent defines a kind of so many names or versions that some more of them kill whoever discovers kinds."""
    large = documents.definition("vaults", f"{field.place}.example.com", "Vault")
    large["spec"]["names"]["categories"] = [f"c{number:05}{'x' * 56}" for number in range(names)]
    (version,) = large["spec"]["versions"]
    large["spec"]["versions"] = [{**version, "name": f"v{n}", "storage": n == 1} for n in range(1, versions + 1)]
    field.later_removed(DEFINITIONS.path("", large["metadata"]["name"]))
    field.refused("POST", DEFINITIONS.path(""), large)


_MANY: Final = 220


@attack()
def define_more_kinds_than_are_followed(field: Field) -> None:
    """An agent defines so many kinds under a policy's wildcard that nobody's deletions can be judged any more."""
    field.protect_all()
    group, definitions = f"{field.place}.example.com", DEFINITIONS.path("")
    # At first nobody knows what the policy stands for, and agents define nothing until that is known.
    tried = f"{definitions}?dryRun=All"
    field.eventually(
        lambda: field.agent("POST", tried, documents.definition("gears", group, "Gear")).done, "it is known"
    )
    refused = 0
    for number in range(_MANY):
        document = documents.definition(f"gears{number}", group, f"Gear{number}")
        field.later_removed(DEFINITIONS.path("", document["metadata"]["name"]))
        # What has just been defined counts twice for a moment, so that some may be let through after the first.
        refused += not field.agent("POST", definitions, document).done
        if refused == 5:
            break
    field.refused("POST", definitions, documents.definition("more", group, "More"))
    field.free("POST", f"{definitions}?dryRun=All", documents.definition("more", group, "More"))
    elsewhere = f"{field.place}-elsewhere"
    field.namespace(elsewhere)
    field.make(CONFIG_MAPS, {"metadata": {"name": "mine"}}, elsewhere)
    mine = f"{CONFIG_MAPS.path(elsewhere, 'mine')}?dryRun=All"
    field.eventually(lambda: field.agent("DELETE", mine, {"dryRun": ["All"]}).done, "agents delete what is free")
