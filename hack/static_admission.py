"""The validations of the static policy, made from the list of powers: what agents are refused while no webhook asks."""

import re
from pathlib import Path
from typing import Final

import yaml

from seconder.admission import rbac
from seconder.admission.installation import ROLE_PREFIX
from seconder.admission.powers import GROUPS, POWERS, WRITES, Place, Power
from seconder.api import constants

FILE: Final = Path(__file__).resolve().parents[1] / "manifests" / "static-admission" / "policies" / "seconder.yaml"
_BLOCK: Final = re.compile(r"(  # Made from the list of powers by make generate\.\n).*?(^---$)", re.S | re.M)
_NAMED: Final = "variables.name"
_RENEWAL: Final = "request.userInfo.username == 'system:serviceaccount:' + request.namespace + ':' + request.name"
_OWN: Final = {
    "expression": "!(has(request.namespace) && request.namespace == variables.own) &&"
    " !(request.resource.group == '' && request.resource.resource == 'namespaces' && variables.name == variables.own)",
    "reason": "Forbidden",
    "message": f"agents may not change or enter namespace {constants.DEFAULT_NAMESPACE}",
}


def written() -> dict[Path, str]:
    """The file as it should be."""
    validations = yaml.safe_dump(_validations(), sort_keys=False, width=1000)
    block = "".join(f"  {line}\n" for line in validations.splitlines())
    return {FILE: _BLOCK.sub(lambda match: f"{match[1]}{block}{match[2]}", FILE.read_text())}


def _validations() -> list[dict[str, str]]:
    tests: dict[str, list[str]] = {}
    for power in POWERS:
        test = _test(power)
        if test and test not in tests.setdefault(power.what, []):
            tests[power.what].append(test)
    refused = [
        {
            "expression": " && ".join(f"!({test})" for test in alternatives),
            "reason": "Forbidden",
            "message": f"agents may not {what}",
        }
        for what, alternatives in tests.items()
        if alternatives
    ]
    return [*refused, _OWN]


def _test(power: Power) -> str:
    """The CEL test for what admission sees of the use of a power; empty where it sees nothing, or reviews decide."""
    # The guard's own namespace is refused as a whole; reads and impersonation are no admission's business.
    if not power.denied or power.verbs.isdisjoint(WRITES) or power.places == (Place.INSTALLATION,):
        return ""
    group = f"request.resource.group == '{power.group}'"
    if power.group == rbac.GROUP:
        return f"{group} && {_NAMED}.startsWith('{ROLE_PREFIX}')"
    if power.group in GROUPS:
        return group
    resource, _, subresource = power.resource.partition("/")
    parts = [group, f"request.resource.resource == '{resource}'"]
    if power.name:
        parts.append(f"{_NAMED} == '{power.name}'")
    if resource == "nodes":
        parts.append("request.operation == 'CONNECT'")
    elif subresource:
        parts.append(f"has(request.subResource) && request.subResource == '{subresource}'")
    if power.places == (Place.AGENTS,):
        parts.append(f"!has(request.subResource) && request.namespace == '{constants.AGENT_NAMESPACE}'")
    elif subresource == "token":
        parts.append(f"!({_RENEWAL})")
    elif Place.KUBE_SYSTEM in power.places:
        parts.append("request.namespace == 'kube-system'")
    return " && ".join(parts)
