"""Having the API server serve the guard last, or never."""

from tests.attacks.attack import Layer, attack
from tests.attacks.field import Field, Kind

_LEVELS = Kind("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", namespaced=False)
_SCHEMAS = Kind("flowcontrol.apiserver.k8s.io", "flowschemas", namespaced=False)
_NO_SEATS = {
    "nominalConcurrencyShares": 0,
    "lendablePercent": 0,
    "borrowingLimitPercent": 0,
    "limitResponse": {"type": "Reject"},
}


@attack(Layer.WEBHOOK, Layer.RBAC)
def starve_the_guard(field: Field) -> None:
    """An agent makes a priority level without seats, and sends all ServiceAccounts of the guard's namespace there."""
    name = field.place
    field.later_removed(_LEVELS.path("", name))
    field.later_removed(_SCHEMAS.path("", name))
    level = {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": _NO_SEATS}}
    subject = {"kind": "ServiceAccount", "serviceAccount": {"namespace": "seconder-system", "name": "*"}}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    rules = [{"subjects": [subject], "resourceRules": [everything]}]
    spec = {"matchingPrecedence": 9000, "priorityLevelConfiguration": {"name": name}, "rules": rules}
    field.refused("POST", _LEVELS.path(""), level)
    field.refused("POST", _SCHEMAS.path(""), {"metadata": {"name": name}, "spec": spec})


@attack(Layer.WEBHOOK, Layer.RBAC)
def take_the_guards_seats(field: Field) -> None:
    """An agent changes or deletes the levels and schemas that are there, by dry run."""
    for kind in (_LEVELS, _SCHEMAS):
        found = [each["metadata"]["name"] for each in field.admin("GET", kind.path("")).document["items"]]
        for name in sorted(found, key=lambda each: each != "seconder")[:2]:
            field.refused("DELETE", kind.path("", name), {"dryRun": ["All"]})
            field.refused("PATCH", f"{kind.path('', name)}?dryRun=All", {"metadata": {"labels": {"a": "b"}}})
