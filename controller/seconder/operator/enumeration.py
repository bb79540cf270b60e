"""The compiled configuration with its wildcards written out, for API servers that take none in webhook rules.

GKE Autopilot refuses webhook configurations whose rules say ``*`` for groups and resources. There the same guard names
what this cluster serves, anew whenever a kind comes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from seconder.api.resources import GroupResource

_SEPARATE_RULES: Final = 50
"""API groups that get a rule each. Beyond that, all resources in all groups: a pair that nobody serves does no harm."""

_ANY: Final = "*"


def enumerated(configuration: Mapping[str, Any], served: Iterable[GroupResource]) -> dict[str, Any]:
    """A configuration that asks about the same, of what is ``served``, without wildcards for groups and resources.

    An entry that asks about nothing of it is left out.
    """
    groups: dict[str, set[str]] = {}
    for group, plural in served:
        groups.setdefault(group, set()).add(plural)
    webhooks = [
        entry | {"rules": [named for rule in entry["rules"] for named in _rules(rule, groups)]}
        for entry in configuration["webhooks"]
    ]
    return dict(configuration) | {"webhooks": [entry for entry in webhooks if entry["rules"]]}


def wildcards(configuration: Mapping[str, Any]) -> bool:
    """Whether some rule names groups or resources by a wildcard."""
    return any(_has_wildcard(rule) for entry in configuration["webhooks"] for rule in entry["rules"])


def _has_wildcard(rule: Mapping[str, Any]) -> bool:
    return _ANY in rule["apiGroups"] or any(_is_any(resource) for resource in rule["resources"])


def _is_any(resource: str) -> bool:
    return resource in {_ANY, "*/*"}


def _rules(rule: Mapping[str, Any], served: Mapping[str, set[str]]) -> list[dict[str, Any]]:
    if not _has_wildcard(rule):
        return [dict(rule)]
    groups = sorted(served) if _ANY in rule["apiGroups"] else [group for group in rule["apiGroups"] if group in served]
    named = {group: _resources(rule["resources"], served[group]) for group in groups}
    named = {group: resources for group, resources in named.items() if resources}
    if len(named) > _SEPARATE_RULES:
        resources = sorted(set().union(*named.values()))
        return [dict(rule) | {"apiGroups": sorted(named), "resources": resources}]
    return [dict(rule) | {"apiGroups": [group], "resources": sorted(named[group])} for group in named]


def _resources(patterns: Sequence[str], plurals: set[str]) -> set[str]:
    found = {pattern for pattern in patterns if not _is_any(pattern) and pattern.partition("/")[0] in plurals}
    if any(_is_any(pattern) for pattern in patterns):
        found |= plurals
    if "*/*" in patterns:
        found |= {f"{plural}/*" for plural in plurals}
    return found
