"""Agents mark what they make, and nothing else."""

from tests.support.builders import PERSON, creation, policy, request, state, target, update
from tests.support.resolving import decide, refusal

from seconder.admission.request import Operation
from seconder.api.policy import AgentTags
from seconder.api.resources import PODS

WHAT = "agents may not change what marks an object as an agent's"
TAG = {"annotations": {"seconder.dev/agent": "x"}}
PLAIN = target(PODS, "plain")


def test_an_agent_tags_an_object_only_when_it_makes_it() -> None:
    """It sets, changes and removes no tag afterwards, through a subresource neither; people may."""
    other = {"annotations": {"seconder.dev/agent": "y"}}
    for old, new in (({}, TAG), (TAG, other), (TAG, {}), (TAG, {"annotations": {"a": "b"}})):
        assert refusal(decide(update(PLAIN, old=old, new=new), state())) == WHAT
        assert refusal(decide(update(PLAIN, old=old, new=new, subResource="status"), state())) == WHAT
        assert decide(update(PLAIN, PERSON, old=old, new=new), state()).allowed
    assert decide(creation(PLAIN, new=TAG | {"spec": {}}), state()).allowed
    both = TAG["annotations"] | {"a": "b"}
    assert decide(update(PLAIN, old=TAG, new={"annotations": both}), state()).allowed


def test_an_agent_binds_no_pod_so_that_it_is_tagged() -> None:
    """The API server copies a Binding's annotations to the pod."""
    metadata = {"name": "plain", "namespace": "payments"} | TAG
    bound = request(Operation.CREATE, PLAIN, subResource="binding", object={"metadata": metadata})
    assert refusal(decide(bound, state())) == WHAT


def test_tags_of_policies_count() -> None:
    """Any policy's annotation, beside the default."""
    bots = policy(agents=AgentTags(annotations=frozenset({"example.com/bot"})))
    asked = update(PLAIN, new={"annotations": {"example.com/bot": "1"}})
    assert refusal(decide(asked, state(bots))) == WHAT
    assert decide(asked, state()).allowed
