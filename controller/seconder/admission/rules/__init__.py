"""The rules, each in a module of its own. ``RULES`` is the only list; rules never import each other.

Their order is that of the words which a caller reads: the first that refuses is told.
"""

from typing import Final

from seconder.admission.rule import Rule
from seconder.admission.rules import (
    agent_namespaces,
    agent_tags,
    approval_annotations,
    autoscaler,
    change,
    controller_owner,
    dangling_owners,
    deletion,
    dependents,
    eviction,
    finalizer_removal,
    flow_control,
    footing,
    guard_addresses,
    guard_nodes,
    guard_owners,
    identities,
    indirect_deletion,
    installation,
    namespace_finalization,
    namespace_labels,
    owner_change,
    pod_identity,
    protected_owners,
    role_grants,
    scale_to_zero,
    service_accounts,
    templates,
)

RULES: Final[tuple[Rule, ...]] = (
    installation.RULE,
    service_accounts.RULE,
    identities.RULE,
    flow_control.RULE,
    footing.RULE,
    namespace_finalization.RULE,
    namespace_labels.RULE,
    agent_namespaces.RULE,
    approval_annotations.RULE,
    agent_tags.RULE,
    templates.RULE,
    role_grants.RULE,
    pod_identity.RULE,
    dangling_owners.RULE,
    scale_to_zero.RULE,
    finalizer_removal.RULE,
    owner_change.RULE,
    change.RULE,
    deletion.RULE,
    eviction.RULE,
    autoscaler.RULE,
    controller_owner.RULE,
    dependents.RULE,
    protected_owners.RULE,
    indirect_deletion.RULE,
    guard_owners.RULE,
    guard_nodes.RULE,
    guard_addresses.RULE,
)
