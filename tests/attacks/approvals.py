"""Writing approvals, or making them impossible."""

from tests.attacks.attack import attack
from tests.attacks.field import DEPLOYMENTS, Field

_FORGED = '{"sub":"kiro"}\n-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----'


@attack(variants={"object": ("",), "status": ("/status",)})
def approve_for_oneself(field: Field, below: str) -> None:
    """An agent writes an approval, or the emergency exit, on the object."""
    field.seconders_own()
    field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    for key in ("approval.seconder.dev/alice", "seconder.dev/break-glass"):
        field.refused("PATCH", path + below, {"metadata": {"annotations": {key: _FORGED}}})
    field.refused("DELETE", path)
    field.lasts(path)


@attack()
def use_a_forged_approval(field: Field) -> None:
    """An agent deletes what carries an approval that nobody has signed, written there by a person's mistake."""
    field.seconders_own()
    field.deployment(annotations={"approval.seconder.dev/alice": _FORGED})
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.refused("DELETE", path)
    field.lasts(path)


@attack(variants={"a-few-large-ones": (2, 100_000), "many-small-ones": (400, 500)})
def leave_no_room_for_approvals(field: Field, count: int, size: int) -> None:
    """An agent fills the object's annotations, so that no approval fits."""
    field.seconders_own()
    field.deployment()
    filling = {f"fill/{number}": "x" * size for number in range(count)}
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.refused("PATCH", path, {"metadata": {"annotations": filling}})
    field.refused("PATCH", f"{path}/status", {"metadata": {"annotations": filling}})


@attack()
def hide_among_annotations(field: Field) -> None:
    """An agent writes an approval on an object of thousands of annotations, and deletes it."""
    field.seconders_own()
    field.deployment(annotations={f"a{number}": "" for number in range(2_000)})
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.refused("PATCH", path, {"metadata": {"annotations": {"approval.seconder.dev/alice": _FORGED}}})
    field.refused("DELETE", path)
    field.lasts(path)
