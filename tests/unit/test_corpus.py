"""The frozen behaviour of the webhook: each review of the corpus is answered as it was when the corpus was recorded."""

import pytest
from tests.corpus import driver, stored
from tests.corpus.stored import Case

_DISCOVERY = stored.discovery()
_CASES = stored.cases()


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{area}: {case.name}") for area, case in _CASES])
def test_a_recorded_review_is_answered_as_it_was(case: Case) -> None:
    """With the same decision, words and causes, audit annotations, warnings and notes of change requests."""
    assert driver.answer(case, _DISCOVERY) == case.expected


def test_every_case_has_a_name_of_its_own() -> None:
    """A difference can be told by it."""
    names = [case.name for _, case in _CASES]
    assert len(names) == len(set(names))
