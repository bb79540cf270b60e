"""What a wildcard stands for: kinds whose objects are kept, and can be lost."""

from seconder.api.policy import ResolvedResource
from seconder.api.resources import GroupResource
from seconder.client.discovery import Served, resolve

SECRETS = GroupResource("", "secrets")
BINDINGS = GroupResource("", "bindings")


def test_a_wildcard_stands_for_no_mere_question() -> None:
    """What cannot be listed, watched and deleted can be neither lost nor followed; by its name it can be named."""
    served = {
        each: Served(ResolvedResource(each, "v1", True, custom=False), frozenset(), kept=each == SECRETS)
        for each in (SECRETS, BINDINGS)
    }
    for pattern in (GroupResource("", "*"), GroupResource("*", "*")):
        assert [each.resource for each in resolve([pattern], False, served).resources] == [SECRETS]
    assert resolve([GroupResource("*", "bindings")], False, served).problems
    assert [each.resource for each in resolve([BINDINGS], False, served).resources] == [BINDINGS]
