"""The cases of the corpus, by what rules they are about."""

from collections.abc import Callable, Iterator
from typing import Final

from tests.corpus.areas import (
    approvals,
    authorizer,
    changes,
    deletions,
    dependents,
    emergencies,
    everyday,
    everyone,
    evictions,
    ghosts,
    grants,
    guard,
    invalid_policies,
    loading,
    malformed,
    namespaces,
    owners,
    pods,
    stand_ins,
    updates,
)
from tests.corpus.builders.scene import Expected

AREAS: Final[dict[str, Callable[[], Iterator[Expected]]]] = {
    "approvals": approvals.cases,
    "authorizer": authorizer.cases,
    "changes": changes.cases,
    "deletions": deletions.cases,
    "dependents": dependents.cases,
    "emergencies": emergencies.cases,
    "everyday": everyday.cases,
    "everyone": everyone.cases,
    "evictions": evictions.cases,
    "ghosts": ghosts.cases,
    "grants": grants.cases,
    "guard": guard.cases,
    "invalid-policies": invalid_policies.cases,
    "loading": loading.cases,
    "malformed": malformed.cases,
    "namespaces": namespaces.cases,
    "owners": owners.cases,
    "pods": pods.cases,
    "stand-ins": stand_ins.cases,
    "updates": updates.cases,
}
