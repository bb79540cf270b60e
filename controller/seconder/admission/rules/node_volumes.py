"""Volumes of nodes' files: a claim of an agent's, and a pod with it, would then have what is on the node."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, codec, pod_reach
from seconder.admission.findings import Findings, Refusal
from seconder.admission.kinds import VOLUMES
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule


def evaluate(context: ReviewContext) -> Findings:
    """Refuse such volumes, made or changed into one."""
    yield from ()
    request = context.request
    if context.state.installation.node_pods or bytes(request.old_spec) == bytes(request.new_spec):
        return []
    volume = codec.read(request, pod_reach.volume, request.new_spec, "the volume")
    found = volume is not None and pod_reach.is_of_node(volume)
    return [Refusal("agents may not make volumes of their nodes' files")] if found else []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes of volumes."""
    return [Prefilter(Entry.GUARD, f'{cel.kind(VOLUMES.resource)} && request.operation in ["CREATE", "UPDATE"]')]


RULE: Final = Rule(
    "node-volumes",
    "Agents make no volume of a node's files.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, {VOLUMES.resource}),
)
