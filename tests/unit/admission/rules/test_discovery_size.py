"""What everybody reads of all kinds at once stays small, whatever agents define."""

from typing import Any

import pytest
from tests.support.builders import PERSON, creation, state, target, update
from tests.support.resolving import decide, refusal

from seconder.api.resources import DEFINITIONS

_GEARS = target(DEFINITIONS, "gears.example.com")
_LONG = [f"c{number:05}{'x' * 56}" for number in range(2000)]
WHAT = "agents may not define kinds of very many names or versions, which everybody has to read"


def _definition(versions: int = 1, *, served: bool = True, **names: list[str]) -> dict[str, Any]:
    told = [{"name": f"v{number}", "served": served, "storage": not number} for number in range(versions)]
    return {"spec": {"names": {"plural": "gears", "kind": "Gear", **names}, "versions": told}}


@pytest.mark.parametrize(
    "large",
    [
        _definition(categories=_LONG),
        _definition(shortNames=_LONG),
        _definition(400),
        _definition(50, categories=_LONG[:40], shortNames=_LONG[:40]),
    ],
)
def test_an_agent_defines_no_kind_that_fills_discovery(large: dict[str, Any]) -> None:
    """By its names, its versions, or both; people do."""
    assert refusal(decide(creation(_GEARS, new=large), state())) == WHAT
    assert refusal(decide(update(_GEARS, old=_definition(), new=large), state())) == WHAT
    assert decide(creation(_GEARS, PERSON, new=large), state()).allowed


def test_an_agent_defines_ordinary_kinds() -> None:
    """With many versions, short names and categories, as operators have; and any that are not served."""
    for ordinary in (
        _definition(8, categories=["all", "acme", "managed"], shortNames=["g", "gr"]),
        _definition(400, served=False),
        {"spec": None},
    ):
        assert decide(creation(_GEARS, new=ordinary), state()).allowed


def test_an_agent_changes_what_a_person_defined() -> None:
    """However large that is, as long as it does not grow."""
    large, smaller = _definition(400), _definition(300)
    assert decide(update(_GEARS, old=large, new=large | {"metadata": {"labels": {"a": "b"}}}), state()).allowed
    assert decide(update(_GEARS, old=large, new=smaller), state()).allowed
    assert refusal(decide(update(_GEARS, old=smaller, new=large), state())) == WHAT
