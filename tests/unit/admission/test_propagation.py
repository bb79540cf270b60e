"""Whether a deletion leaves what the object owns, as the API server sees it: the options, then the object itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from seconder.admission import codec

_DELETE = Path(__file__).parents[2] / "edge" / "reviews" / "delete-deployment.json"


def _orphans(options: dict[str, Any] | None, *finalizers: str, **request: Any) -> bool:
    document: dict[str, Any] = json.loads(_DELETE.read_text())
    document["request"] |= {"options": options} | request
    document["request"]["oldObject"]["metadata"]["finalizers"] = list(finalizers)
    return codec.decode(json.dumps(document).encode()).orphans


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
    assert _orphans(options, *finalizers) is expected


def test_an_update_orphans_nothing() -> None:
    """Whatever its options say."""
    document: dict[str, Any] = json.loads(_DELETE.with_name("update-status.json").read_text())
    document["request"]["options"]["propagationPolicy"] = "Orphan"
    assert not codec.decode(json.dumps(document).encode()).orphans
