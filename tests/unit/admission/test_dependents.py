"""What ends with an object, as the API server sees it: the deletion's options, then the object itself."""

from typing import Any

import pytest
from tests.support.builders import CONFIG_MAPS, deletion, target, update

from seconder.admission import dependents
from seconder.admission.request import Request
from seconder.api.resources import DEFINITIONS, NAMESPACES, GroupResource

OWNER = target(CONFIG_MAPS, "owner")
ORPHAN = {"propagationPolicy": "Orphan"}


def _keys(request: Request) -> frozenset[str]:
    return dependents.keys(request, request.target)


@pytest.mark.parametrize(
    ("options", "finalizers", "expected"),
    [
        ({"propagationPolicy": "Orphan"}, (), True),
        ({"propagationPolicy": "Background"}, (), False),
        ({"propagationPolicy": "Foreground"}, (), False),
        ({"propagationPolicy": "orphan"}, (), False),
        ({"propagationPolicy": "Background"}, ("orphan",), False),
        ({"propagationPolicy": "Orphan"}, ("foregroundDeletion",), True),
        ({"orphanDependents": True}, (), True),
        ({"orphanDependents": False}, ("orphan",), False),
        ({"orphanDependents": False, "propagationPolicy": "Orphan"}, (), False),
        ({"propagationPolicy": None}, ("orphan",), True),
        ({}, ("example.com/backup", "orphan"), True),
        ({}, ("foregroundDeletion", "orphan"), False),
        ({}, ("orphan", "foregroundDeletion"), True),
        ({}, (), False),
        (None, (), False),
    ],
)
def test_only_what_the_api_server_takes_as_orphaning_is_it(
    options: dict[str, Any] | None, finalizers: tuple[str, ...], expected: bool
) -> None:
    """What is said with the deletion comes first; then the first of the object's two finalizers; and the rest goes."""
    request = deletion(OWNER, stored={"finalizers": finalizers}, options=options)
    assert _keys(request) == (frozenset() if expected else {"uid-1"})


@pytest.mark.parametrize(
    "request_",
    [
        update(OWNER, options=ORPHAN),
        update(OWNER, old={"finalizers": ["orphan"]}),
    ],
)
def test_an_update_orphans_nothing(request_: Request) -> None:
    """Whatever its options say."""
    assert _keys(request_) == {"uid-1"}


def test_an_update_that_ends_a_definition_ends_what_it_defines() -> None:
    """By an owner, or a finalizer that it loses."""
    assert _keys(update(target(DEFINITIONS, "stacks.example.com"), options=ORPHAN)) == {"uid-1", "*.example.com"}


def test_orphaning_leaves_what_is_owned_unless_it_cannot() -> None:
    """Of Events the API server takes no such wish; a definition's objects go in any case, and what they own."""
    for resource in (GroupResource("", "events"), GroupResource("events.k8s.io", "events"), NAMESPACES):
        assert _keys(deletion(target(resource), options=ORPHAN)) == {"uid-1"}
    definition = deletion(target(DEFINITIONS, "stacks.example.com"), options=ORPHAN)
    assert _keys(definition) == {"uid-1", dependents.group_key("example.com")}
