"""The frozen behaviour of the webhook: each review of the corpus is answered as it was when the corpus was recorded."""

from dataclasses import replace
from typing import Any

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


def _audited(case: Case, **spec: Any) -> bool:
    """Whether a review is refused where all policies are in Audit, with more of a spec where given."""

    def watching(document: dict[str, Any]) -> dict[str, Any]:
        if document["kind"] != "ProtectionPolicy":
            return document
        metadata = {"name": document["metadata"]["name"], "uid": document["metadata"].get("uid", "")}
        return document | {"metadata": metadata, "spec": document["spec"] | {"mode": "Audit"} | spec, "status": {}}

    documents, earlier = ([watching(each) for each in held] for held in (case.cluster, case.earlier))
    response = driver.answer(replace(case, cluster=documents, earlier=earlier), _DISCOVERY).get("response", {})
    return response.get("allowed") is False


def test_what_policies_in_audit_name_refuses_nothing() -> None:
    """No rule refuses more than where they name what is not there; their tags count for the guard all the same."""
    nothing = [{"group": "nothing.example.com", "resources": ["nothings"]}]
    tried, wrong = 0, []
    for area, case in _CASES:
        named = any(each["kind"] == "ProtectionPolicy" and each["spec"].get("resources") for each in case.cluster)
        if named and case.path == "/validate" and _audited(case):
            tried += 1
            if not _audited(case, resources=nothing):
                wrong.append(f"{area}: {case.name}")
    assert wrong == []
    assert tried > 50
