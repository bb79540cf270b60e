"""What a cluster gives to whatever asks for nothing: the default class of storage, of Ingresses, of snapshots, of pods.

An agent that makes such a class has everybody's next claims, routes, snapshots or pods be as it says.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from seconder.admission.findings import Refusal
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import Asking
from seconder.admission.request import WRITES
from seconder.admission.review import Effect, ReviewContext
from seconder.api.reasons import Reason
from seconder.api.resources import Action, GroupResource

_KEY: Final = "/is-default-class"
"""How the annotations end that make a class the default one; of which prefix tells of what."""


def _losses(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
    """A refusal where it becomes the default. Where a policy names it, and asks about changes, it is such a change."""
    yield from ()
    stored, wanted = context.whole
    if not _marks(wanted) - _marks(stored) or (
        context.request.updates and context.naming(context.effect(Action.CHANGE))
    ):
        return []
    what = "whoever names no class would get this one"
    return [Refusal(what, Reason.APPROVAL_MISSING, "Leave it for those who name it, or ask a person.")]


def _marks(document: Mapping[str, Any]) -> set[str]:
    """What makes an object the default of its kind."""
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    marks = {key for key, value in annotations.items() if key.endswith(_KEY) and value != "false"}
    return marks | ({"globalDefault"} if document.get("globalDefault") else set())


def _row(group: str, plural: str, what: str) -> Deleter:
    return Deleter(
        GroupResource(group, plural),
        "becoming the default",
        f"the class of {what} that name none; no peer can approve it, but where a policy names it as it is stored",
        "admission and controllers write it into them",
        _losses,
        WRITES,
        namespaced=False,
    )


DELETERS: Final = (
    _row("storage.k8s.io", "storageclasses", "claims"),
    _row("networking.k8s.io", "ingressclasses", "Ingresses"),
    _row("scheduling.k8s.io", "priorityclasses", "pods"),
    _row("snapshot.storage.k8s.io", "volumesnapshotclasses", "snapshots"),
    _row("groupsnapshot.storage.k8s.io", "volumegroupsnapshotclasses", "snapshots of groups"),
)
