"""While nobody leads, whoever stands by keeps the configuration, and never by anything older than what is there."""

import contextlib
import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from tests.unit.operator.test_election import Network, World

from seconder.admission.policy_index import Installation
from seconder.client.api import Api, ApiError, Fenced
from seconder.operator.certificates import Terms
from seconder.operator.configuration_keeper import ConfigurationKeeper
from seconder.operator.election import Elector, Term
from seconder.operator.label_guard import LabelGuard
from seconder.operator.reconciler import Reconciler, Settings
from seconder.operator.webhook_configuration import Endpoint

_NARROWED = -1


class Configuration:
    """What the API server keeps: a configuration made from policies that are told apart by a number that grows."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self._version = 0

    @property
    def made_from(self) -> int | None:
        """The number of the policies that it was made from; None where there is none."""
        return None if self.stored is None else int(self.stored["webhooks"][0]["rules"][0])

    def put(self, number: int) -> None:
        """Have somebody write it."""
        self.keep({"metadata": {"name": "seconder"}} | _made_from(number))

    def keep(self, document: dict[str, Any]) -> dict[str, Any]:
        """Store it as the next version."""
        self._version += 1
        self.stored = document | {"metadata": document["metadata"] | {"resourceVersion": str(self._version)}}
        return self.stored


def _made_from(number: int) -> dict[str, Any]:
    return {"webhooks": [{"name": "w", "rules": [number]}]}


class Reached:
    """The API server as one spell of one operator reaches it: late, lost, given up; not at all once that is over."""

    def __init__(self, stored: Configuration, network: Network, spell: Term, written: Callable[[int], None]) -> None:
        self._stored = stored
        self._network = network
        self._spell = spell
        self._written = written

    def find(self, _: str, **__: Any) -> dict[str, Any] | None:
        """See Api."""
        self._ask()
        found = self._stored.stored
        self._network.under_way()
        return found

    def metadata(self, _: str) -> dict[str, Any]:
        """See Api."""
        raise ApiError(404, "there is no such role")

    def create(self, _: str, document: dict[str, Any]) -> dict[str, Any]:
        """See Api."""

        def created() -> dict[str, Any]:
            if self._stored.stored is not None:
                raise ApiError(409, "it is there", "AlreadyExists")
            return self._stored.keep(document)

        self._ask()
        return self._network.in_time(created)

    def replace(self, _: str, document: dict[str, Any]) -> dict[str, Any]:
        """See Api."""

        def replaced() -> dict[str, Any]:
            stored = self._stored.stored
            if stored is None or document["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
                raise ApiError(409, "it is another by now")
            self._written(document["webhooks"][0]["rules"][0])
            return self._stored.keep(document)

        self._ask()
        return self._network.in_time(replaced)

    def _ask(self) -> None:
        if self._spell.left() <= 0:
            raise Fenced("this program may not change anything now")
        self._network.under_way()


class Cluster(World):
    """Candidates that keep the configuration, as leaders or in place of one; somebody refuses them the Lease."""

    def __init__(self, chance: random.Random) -> None:
        self.stored = Configuration()
        self.policies = 0
        self.stood_in = 0
        self.quiet = False
        self._keepers: dict[str, tuple[Term, ConfigurationKeeper]] = {}
        self._passes_due: dict[str, float] = {}
        super().__init__(chance, sweeping=False)

    def _disturb(self) -> None:
        if self.quiet:
            return
        super()._disturb()
        chance = self.chance.random()
        if chance < 0.002:
            self.leases.refused = None if self.leases.refused else 403
        elif chance < 0.02:
            self.policies += 1
        elif chance < 0.03:
            self.stored.stored = None
        elif chance < 0.04 and self.stored.stored is not None:
            self.stored.put(_NARROWED)

    def _look(self) -> None:
        super()._look()
        for _, elector in list(self._due):
            if self._passes_due.get(elector.name, 0.0) <= self.now and self._depth < 3:
                # One at a time of each operator, however long it takes.
                self._passes_due[elector.name] = float("inf")
                self._depth += 1
                with contextlib.suppress(ApiError, Fenced):
                    self._pass(elector)
                self._depth -= 1
                self._passes_due[elector.name] = self.now + self.chance.uniform(0.3, 1.5)

    def _pass(self, elector: Elector) -> None:
        leads, spell = elector.term is not None, elector.term or elector.vacancy
        if spell is None:
            return
        known, keeper = self._keepers.get(elector.name, (None, None))
        if known is not spell or keeper is None:
            keeper = self._keeper(spell, leads=leads)
            self._keepers[elector.name] = spell, keeper
        if not leads:
            self.stood_in += 1
            keeper.look()
        policies = self.policies
        self.leases.under_way()
        keeper.keep(_made_from(policies), ())

    def _keeper(self, spell: Term, *, leads: bool) -> ConfigurationKeeper:
        def written(number: int) -> None:
            before = self.stored.made_from
            assert leads or before is None or number >= before, f"{number} in the place of {before}"

        api = cast(Api, Reached(self.stored, self.leases, spell, written))
        quiet = lambda _, __: None  # noqa: E731 - nothing to be read here
        place = Installation("seconder-system", frozenset())
        return ConfigurationKeeper(api, place, LabelGuard(api, quiet), quiet, clock=lambda: self.now)


class Asked:
    """An API server that notes what it is asked for, and has no policies."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def find(self, path: str, **_: Any) -> None:
        """See Api."""
        self.paths.append(path.rpartition("/")[2])

    def items(self, path: str, **_: Any) -> tuple[list[Any], str]:
        """See Api."""
        self.paths.append(path.rpartition("/")[2])
        raise ApiError(0, "that is enough")


def test_one_that_stands_in_reads_what_stands_there_before_what_it_is_made_from() -> None:
    """So that what it writes is never older than what it replaces."""
    api = Asked()
    endpoint = Endpoint("https://127.0.0.1:1", None)
    settings = Settings(
        "seconder-system", Installation("seconder-system", frozenset()), endpoint, Terms(("h",)), "seconder-webhook-tls"
    )
    reconciler = Reconciler(cast(Api, api), settings, lambda _, __: None)
    with pytest.raises(ApiError, match="that is enough"):
        reconciler.stand_in(datetime.now(UTC))
    labels = "seconder-namespace-labels"
    assert api.paths[:4] == ["seconder", labels, labels, "protectionpolicies"]


@pytest.mark.parametrize("seed", range(20))
def test_what_stands_there_is_never_replaced_by_older_and_soon_as_policies_say(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Operators that sleep, come and go, requests that arrive late, and a Lease that may be taken at times only.

    Somebody deletes or narrows the configuration all the while, and policies change. Once it is quiet, with the Lease
    or without, the configuration is as the policies say within seconds.
    """
    # Pauses are the same each time, so that a seed that was good stays good.
    monkeypatch.setattr(secrets, "randbelow", random.Random(-seed).randrange)  # noqa: S311 - no secret
    cluster = Cluster(random.Random(seed))  # noqa: S311 - no secret
    cluster.live(200)
    assert cluster.stood_in > 0
    for refused in (403, None):
        cluster.quiet = True
        cluster.leases.refused = refused
        cluster.stored.stored = None
        cluster.policies += 1
        cluster.live(cluster.now + 60)
        assert cluster.stored.made_from == cluster.policies
