"""Status conditions (meta/v1 Condition)."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from seconder.api.schema import list_map

READY: Final = "Ready"
IN_FORCE: Final = "InForce"
NOT_IN_FORCE: Final = "NotInForce"
"""Reason of a Ready that is False although the policy itself is valid."""


class ConditionDoc(Struct, rename="camel", kw_only=True):
    """A status condition (meta/v1 Condition)."""

    type: Annotated[str, Meta(max_length=64)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=4096)]
    last_transition_time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    observed_generation: int = 0


Conditions = Annotated[
    list[ConditionDoc],
    Meta(
        max_length=8,
        extra_json_schema=list_map("type"),
    ),
]
