"""Programs that delete or shrink others' objects on the word of an object of their own.

No ownerReference leads from the one to the others, so deleting the object counts as nothing unless a policy names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission.policy_index import protects
from seconder.api import policy_documents
from seconder.api.policy import Mode, Policy
from seconder.api.resources import GroupResource
from seconder.client.discovery import Catalogue
from seconder.operator.conditions import condition
from seconder.operator.policy_status import Judged

CONDITION: Final = "DeputiesUnprotected"
"""Type of the condition that is there, and true, while some such kind is installed and protected by no policy."""

_INDIRECT_DELETERS: Final = {
    GroupResource("argoproj.io", "applications"): "Argo CD",
    GroupResource("helm.toolkit.fluxcd.io", "helmreleases"): "Flux",
    GroupResource("keda.sh", "scaledobjects"): "KEDA",
    GroupResource("kustomize.toolkit.fluxcd.io", "kustomizations"): "Flux",
}


def unprotected(served: Catalogue, policies: Iterable[Policy]) -> list[GroupResource]:
    """The kinds of indirect deleters that this cluster serves and no policy protects from deletion."""
    named = {resource for policy in policies if protects(policy) for resource in policy.resolved}
    return [kind for kind in sorted(_INDIRECT_DELETERS) if kind in served and kind not in named]


def status(judged: Judged, document: Mapping[str, Any], found: Sequence[GroupResource]) -> dict[str, Any]:
    """A policy's status, with a warning where it protects something. ``document`` is the one that was judged."""
    if not found or judged.problem or judged.mode is Mode.AUDIT or not any(map(protects, judged.policies)):
        return judged.status
    kinds = ", ".join(f"{kind} ({_INDIRECT_DELETERS[kind]})" for kind in found)
    warning = condition(
        CONDITION,
        ok=True,
        reason="NamedByNoPolicy",
        text=f"deleting one of these may delete or shrink what it manages, and no policy names them: {kinds}",
        generation=document["metadata"].get("generation", 0),
        before=policy_documents.status_of(document).conditions,
    )
    return judged.status | {"conditions": [*judged.status["conditions"], msgspec.to_builtins(warning)]}
