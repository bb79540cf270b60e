"""Registries of both programs, in which everything that can be counted has been, once."""

from prometheus_client import CollectorRegistry
from tests.support import signing
from tests.support.builders import deletion

from seconder.admission.decision import Decision
from seconder.admission.principal import Principal
from seconder.api.policy import Assurance, Mode
from seconder.api.reasons import Reason
from seconder.approvals.quorum import Failure
from seconder.approvals.verification import verify
from seconder.observability.metrics import AuthorizerMetrics, OperatorMetrics, ReviewMetrics, registry

Shape = tuple[str, frozenset[str]]
"""A metric's type and labels."""


def webhook_registry() -> CollectorRegistry:
    """Give what the webhook exposes after a refusal, an approval that was used, an emergency and a malformed review."""
    made = registry("0123abc")
    AuthorizerMetrics(made)
    metrics = ReviewMetrics(made)
    request = deletion()
    principal = Principal(signing.REQUESTER, True, signing.AGENT, frozenset())
    approval = verify("alice", signing.approval(), signing.context(), signing.registry(), signing.NOW, signing.memo())
    failure = Failure("alice", Reason.SIGNATURE_INVALID, "forged", "ssh", "ssh-ed25519")
    refused = Decision(allowed=False, reason=Reason.SIGNATURE_INVALID, principal=principal, failures=[failure])
    allowed = Decision(allowed=True, reason=Reason.APPROVED, principal=principal, counted=[approval])
    for decision in (refused, allowed):
        known = frozenset({request.target.resource})
        metrics.answered(request, decision, known=known, allowed=decision.allowed, seconds=0.001)
    metrics.used(request.target.resource, allowed.counted, signing.NOW)
    metrics.broke_glass(request)
    metrics.undecided(Reason.REQUEST_MALFORMED, 0.001)
    return made


def operator_registry() -> CollectorRegistry:
    """Give what the operator exposes after a pass."""
    made = registry("0123abc")
    metrics = OperatorMetrics(made, lambda _: 1)
    metrics.policies([(Mode.ENFORCE, True), (Mode.AUDIT, False)])
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
