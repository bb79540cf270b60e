"""What a decision rests on beside the request."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.approvals.registry import Registry


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as it stood at one moment. Replaced as a whole and never changed.

    ``operators`` maps a ServiceAccount's user name to the operator recorded on it, ``token_ends`` to the time, in
    seconds since 1970, beyond which it renews no token of its own. ``audience`` is this cluster's ``aud`` claim.
    """

    policies: PolicyIndex
    registry: Registry
    operators: Mapping[str, str]
    audience: str
    installation: Installation
    token_ends: Mapping[str, float] = field(default_factory=dict)
