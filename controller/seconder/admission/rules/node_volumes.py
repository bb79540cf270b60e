"""Volumes of nodes' files: a claim of an agent's, and a pod with it, would then have what is on the node."""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import cel, codec, pod_reach
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Malformed
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import GroupResource

_VOLUMES: Final = GroupResource("", "persistentvolumes")


def evaluate(context: ReviewContext) -> Findings:
    """Refuse such volumes, made or changed into one."""
    yield from ()
    request = context.request
    if context.state.installation.node_pods or bytes(request.old_spec) == bytes(request.new_spec):
        return []
    try:
        of_node = pod_reach.is_of_node(request.new_spec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(request.uid, f"the volume is not understood: {codec.plain(error)}") from None
    return [Refusal("agents may not make volumes of their nodes' files")] if of_node else []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes of volumes."""
    return [Prefilter(Entry.GUARD, f'{cel.kind(_VOLUMES)} && request.operation in ["CREATE", "UPDATE"]')]


RULE: Final = Rule(
    "node-volumes",
    "Agents make no volume of a node's files.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, {_VOLUMES}),
)
