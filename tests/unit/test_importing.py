"""Programs start without the garbage collector, and have it afterwards."""

import gc
from collections.abc import Iterator

import pytest

from seconder.importing import uncollected


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    gc.unfreeze()
    if enabled:
        gc.enable()


def test_nothing_is_collected_meanwhile_and_what_is_there_is_let_be() -> None:
    """It is looked through no more."""
    gc.unfreeze()
    gc.enable()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_who_has_switched_it_off_has_it_off() -> None:
    """It is not this one's to switch on."""
    gc.disable()
    with uncollected():
        assert not gc.isenabled()
    assert not gc.isenabled()
