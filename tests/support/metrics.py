"""Registries of both programs, in which everything that can be counted has been, once."""

from prometheus_client import CollectorRegistry
from tests.support import signing
from tests.support.builders import approved, deletion, policy, state
from tests.support.resolving import decide

from seconder.api.policy import Assurance, Mode
from seconder.api.reasons import Reason
from seconder.observability.metrics import (
    AuthorizerMetrics,
    InForce,
    LeaderMetrics,
    OperatorMetrics,
    ReviewMetrics,
    registry,
)

Shape = tuple[str, frozenset[str]]
"""A metric's type and labels."""


def webhook_registry() -> CollectorRegistry:
    """Give what the webhook exposes after a refusal, an approval that was used, an emergency and a malformed review."""
    made = registry("0123abc")
    AuthorizerMetrics(made)
    metrics = ReviewMetrics(made)
    cluster = state(policy())
    resource = signing.DEPLOYMENT.resource
    for approval in (approved(signer=signing.key("eve")), approved()):
        request = deletion(signing.DEPLOYMENT, stored={"annotations": approval})
        decision = decide(request, cluster)
        metrics.answered(request, decision, known=frozenset({resource}), allowed=decision.allowed, seconds=0.001)
        metrics.used(resource, decision.counted, signing.NOW)
    metrics.broke_glass(request)
    metrics.undecided(Reason.REQUEST_MALFORMED, 0.001)
    return made


def operator_registry() -> CollectorRegistry:
    """Give what the operator exposes after a pass."""
    made = registry("0123abc")
    metrics = OperatorMetrics(LeaderMetrics(made, lambda: True).while_leading, lambda _: 1)
    metrics.policies([(Mode.ENFORCE, True), (Mode.AUDIT, False)])
    metrics.in_force.seen([InForce("default", True, "AsCompiled", "")])
    metrics.keys([("ssh", Assurance.SOFTWARE.value)])
    metrics.last_success.set_to_current_time()
    return made


def shapes(registry: CollectorRegistry) -> dict[str, Shape]:
    """Give each metric's type and labels by the name that it has in queries."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in registry.collect()
    }
