"""Writes the corpus anew: ``python -m tests.corpus.record``.

Inputs are made by the builders in ``areas`` and ``configurations``, statuses of policies by the operator's code, and
what is expected by the code as it runs. Run on request only: what it changes is a change of behaviour, to be read in
the diff. Signatures and names are the same each time.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.corpus import driver, stored
from tests.corpus.areas import AREAS
from tests.corpus.builders import kinds
from tests.corpus.builders.documents import APPROVERS, BASE
from tests.corpus.builders.scene import CHECKOUT, DEPLOYMENTS, Expected
from tests.corpus.cluster import Cluster
from tests.corpus.sets import sets

_DISCOVERY: Final = kinds.discovery()
_STATUSES: Final[dict[str, Any]] = {}


def main() -> None:
    """Write all files, unless a case is answered for another reason than its builder says."""
    made = {area: list(cases()) for area, cases in AREAS.items()}
    problems = [problem for cases in made.values() for case in cases if (problem := _record(case))]
    names = Counter(case.name for cases in made.values() for case in cases)
    problems += [f"{count} cases are called {name!r}" for name, count in names.items() if count > 1]
    if problems:
        sys.exit("\n".join(problems))
    stored.write_discovery(_DISCOVERY)
    usual = stored.write_usual([*BASE, *APPROVERS, CHECKOUT, *_in_force()])
    for area, cases in made.items():
        stored.write(area, cases, usual)
        sys.stdout.write(f"{area}: {len(cases)}\n")
    _read_back([case for cases in made.values() for case in cases])
    kept = {name: given | {"expected": _compiled(given)} for name, given in sets()}
    stored.write_configurations(kept, usual)
    sys.stdout.write(f"{names.total()} cases, {len(kept)} configurations\n")


def _read_back(written: list[Expected]) -> None:
    """See that what the files leave out comes back as it was."""
    found = {case.name: case for _, case in stored.cases()}
    for case in written:
        read = found[case.name]
        if (read.sent, read.cluster, read.expected) != (case.sent, list(case.cluster), case.expected):
            sys.exit(f"{case.name!r} is not read as it was written")


def _in_force() -> list[dict[str, Any]]:
    """Give the usual policy as the operator leaves it."""
    found = driver.compiled([DEPLOYMENTS], Cluster([], _DISCOVERY), {})
    return [DEPLOYMENTS | {"status": found["statuses"][DEPLOYMENTS["metadata"]["name"]]}]


def _compiled(given: dict[str, Any]) -> dict[str, Any]:
    return driver.compiled(given["policies"], Cluster(given["cluster"], _DISCOVERY), given["options"])


def _record(case: Expected) -> str:
    """Fill in what is expected; say what is wrong with the case."""
    case.cluster = [_judged(document, case) for document in case.cluster]
    with _silent():
        case.expected = driver.answer(case, _DISCOVERY)
    reason = _reason(case.expected)
    return "" if reason == case.reason else f"{case.name!r} gave {reason}, not {case.reason}"


def _reason(expected: dict[str, Any]) -> str:
    if "response" not in expected:
        return f"HTTP {expected['code']}"
    response = expected["response"]
    if response.get("kind") == "SubjectAccessReview":
        return "denied" if response["status"].get("denied") else "no opinion"
    return str(response["auditAnnotations"]["reason"])


def _judged(document: dict[str, Any], case: Expected) -> dict[str, Any]:
    """Give a policy the status that the operator would write, unless it has one."""
    if document["kind"] != "ProtectionPolicy" or "status" in document:
        return document
    definitions = [each for each in case.cluster if each["kind"] == "CustomResourceDefinition"]
    key = json.dumps([document, definitions])
    if key not in _STATUSES:
        found = driver.compiled([document], Cluster(definitions, _DISCOVERY), case.options)
        _STATUSES[key] = found["statuses"][document["metadata"]["name"]]
    return document | {"status": _STATUSES[key]}


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the webhook's log, which it writes to the descriptor itself, out of the way."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


if __name__ == "__main__":
    main()
