"""What a decision rests on beside the request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from seconder.admission import principal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.principal import Principal
from seconder.admission.request import Caller
from seconder.approvals.registry import Registry

_MOST_REMEMBERED: Final = 1024
"""Callers. Beyond that all are classified anew."""

_Told = frozenset[tuple[str, tuple[str, ...]]]
_Identity = tuple[str, frozenset[str], _Told]
_NOTHING: Final[_Told] = frozenset()


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as it stood at one moment. Replaced as a whole and never changed.

    ``operators`` maps a ServiceAccount's user name to the operator recorded on it, ``token_ends`` to the time, in
    seconds since 1970, beyond which it renews no token of its own. ``audience`` is this cluster's ``aud`` claim.
    ``namespaces`` maps a namespace to those of its labels by which policies select; one that is not there is not known.
    """

    policies: PolicyIndex
    registry: Registry
    operators: Mapping[str, str]
    audience: str
    installation: Installation
    token_ends: Mapping[str, float] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _principals: dict[_Identity, Principal] = field(default_factory=dict, init=False, repr=False, compare=False)

    def principal(self, caller: Caller) -> Principal:
        """Who this caller is under these policies. Classified once, since it depends on the caller alone."""
        telling = self.policies.telling_extra & caller.extra.keys()
        if caller.extra and self.registry.telling_extra:
            telling |= {key for key in caller.extra if key.lower() in self.registry.telling_extra}
        told = frozenset([(key, caller.extra[key]) for key in telling]) if telling else _NOTHING
        identity = (caller.username, caller.groups, told)
        known = self._principals.get(identity)
        if known is None:
            principals = self.registry.told_by(caller.extra)
            known = principal.classify(caller, self.policies, self.operators.get(caller.username), principals)
            if len(self._principals) >= _MOST_REMEMBERED:
                self._principals.clear()
            self._principals[identity] = known
        return known
