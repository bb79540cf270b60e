"""One leads, and stops before another may: by clocks that nobody made equal, on an API server that fails at times."""

import copy
import random
from collections.abc import Callable
from typing import Any, cast

import pytest

from seconder.client.api import Api, ApiError
from seconder.operator.election import LEASE_SECONDS, MARGIN_SECONDS, Elector, Term


class Time:
    """What a test says that it is."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give it."""
        return self.now


class Leases:
    """One Lease, as the API server keeps it: written only by who has read what stands there. Fails when it is told."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self.before: Callable[[], None] = lambda: None
        """Called when a request arrives, before it counts."""
        self.after: Callable[[], None] = lambda: None
        """Called when a change has counted, before it is answered."""
        self._version = 0

    def find(self, path: str, **_: Any) -> dict[str, Any] | None:
        """See Api."""
        assert path.endswith("/namespaces/seconder-system/leases/seconder-operator")
        self.before()
        return copy.deepcopy(self.stored)

    def create(self, _: str, document: dict[str, Any]) -> dict[str, Any]:
        """See Api."""
        self.before()
        if self.stored is not None:
            raise ApiError(409, "it is there")
        return self._keep(document)

    def replace(self, _: str, document: dict[str, Any]) -> dict[str, Any]:
        """See Api."""
        self.before()
        if self.stored is None:
            raise ApiError(404, "it is not there")
        if document["metadata"]["resourceVersion"] != self.stored["metadata"]["resourceVersion"]:
            raise ApiError(409, "it is another by now")
        return self._keep(document)

    def edited(self, **spec: Any) -> None:
        """Have somebody else change the Lease."""
        assert self.stored is not None
        self._keep({"metadata": {}, "spec": self.stored["spec"] | spec})

    def _keep(self, document: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        metadata = document["metadata"] | {"resourceVersion": str(self._version)}
        kept = copy.deepcopy(document | {"metadata": metadata})
        self.stored = kept
        self.after()
        return copy.deepcopy(kept)


def _down() -> None:
    raise ApiError(0, "nobody answers")


@pytest.fixture
def time() -> Time:
    """The present time."""
    return Time()


@pytest.fixture
def leases() -> Leases:
    """No Lease yet."""
    return Leases()


def _elector(leases: Leases, name: str, clock: Callable[[], float]) -> Elector:
    return Elector(cast(Api, leases), "seconder-system", name, clock=clock)


def _holder(leases: Leases) -> str:
    return str(leases.stored["spec"]["holderIdentity"]) if leases.stored else ""


def _leads(elector: Elector) -> bool:
    return elector.term is not None


def test_the_first_leads_and_the_second_stands_by(leases: Leases, time: Time) -> None:
    """Both are ready: one leads, the other sees that somebody does."""
    first, second = (_elector(leases, name, time) for name in ("a", "b"))
    assert second.unmet() == ["no operator leads: the Lease was not read yet"]
    first.attempt()
    pause = second.attempt()
    assert _leads(first)
    assert not _leads(second)
    assert second.unmet() == []
    assert pause <= 1
    assert leases.stored is not None
    assert leases.stored["spec"]["holderIdentity"] == "a"


def test_a_silent_leader_is_followed_after_a_lease_and_never_before_its_term_is_over(
    leases: Leases, time: Time
) -> None:
    """Their clocks are years apart."""
    first = _elector(leases, "a", lambda: time.now + 1e8)
    second = _elector(leases, "b", time)
    first.attempt()
    began, over = time.now, 0.0
    while second.term is None:
        second.attempt()
        time.now += 0.25
        if first.term is None and not over:
            over = time.now
    assert LEASE_SECONDS - MARGIN_SECONDS <= over - began <= LEASE_SECONDS - MARGIN_SECONDS + 0.5
    assert LEASE_SECONDS <= time.now - began <= LEASE_SECONDS + 1.5
    assert leases.stored is not None
    assert leases.stored["spec"]["leaseTransitions"] == 1


def test_a_term_counts_from_before_the_renewal_was_sent(leases: Leases, time: Time) -> None:
    """An answer that took long makes the term no longer."""
    elector = _elector(leases, "a", time)

    def slow() -> None:
        time.now += 1.5

    leases.after = slow
    elector.attempt()
    term = elector.term
    assert term is not None
    assert term.left() == LEASE_SECONDS - MARGIN_SECONDS - 1.5


def test_a_term_that_was_over_never_comes_back(leases: Leases, time: Time) -> None:
    """What wrote in it stays fenced, though the same operator leads again."""
    elector = _elector(leases, "a", time)
    elector.attempt()
    old = elector.term
    assert old is not None
    time.now += LEASE_SECONDS
    assert not _leads(elector)
    elector.attempt()
    assert _leads(elector)
    assert elector.term is not old
    assert old.left() <= 0
    assert not old.prolong(time.now + 100)
    closed = Term(time.now + 5, time)
    closed.close()
    assert not closed.prolong(time.now + 5)
    assert closed.left() <= 0


def test_each_new_term_is_news_also_where_nobody_saw_the_old_one_end(time: Time) -> None:
    """A leader whose renewal was late leads again in another term; whoever is not told of it would stay idle."""
    leases = Leases()
    news: list[Term | None] = []
    elector = Elector(cast(Api, leases), "seconder-system", "a", lambda: news.append(elector.term), time)
    elector.attempt()
    time.now += LEASE_SECONDS - MARGIN_SECONDS - 0.1

    def late() -> None:
        time.now += 0.2

    leases.before = late
    elector.attempt()
    assert elector.term is not None
    assert len(news) == 2
    assert news[1] is elector.term
    # Nor where somebody else wrote to the Lease at the same time, so that this one is refused.
    leases.before = lambda: None
    time.now += LEASE_SECONDS
    leases.edited(holderIdentity="b")
    elector.attempt()
    assert news[2:] == [None]


def test_nobody_holds_the_lease_while_what_it_did_in_its_last_term_has_not_ended(leases: Leases, time: Time) -> None:
    """A leader that waits for an answer which does not come leaves the Lease to the other one."""
    first, second = (_elector(leases, name, time) for name in ("a", "b"))
    first.attempt()
    second.attempt()
    old = first.term
    assert old is not None
    old.busy = True
    time.now += LEASE_SECONDS
    first.attempt()
    assert not _leads(first)
    second.attempt()
    assert _leads(second)
    second.release()
    first.attempt()
    assert not _leads(first)
    leases.stored = None
    first.attempt()
    time.now += LEASE_SECONDS
    first.attempt()
    assert not _holder(leases)
    old.busy = False
    first.attempt()
    assert _leads(first)


def test_without_the_api_server_nobody_leads_and_then_one_does(leases: Leases, time: Time) -> None:
    """The leader's term ends by the clock; when the API server is back, one leads within seconds."""
    first, second = (_elector(leases, name, time) for name in ("a", "b"))
    first.attempt()
    second.attempt()
    leases.before = _down
    for _ in range(40):
        time.now += 0.5
        first.attempt()
        second.attempt()
    assert not _leads(first)
    assert not _leads(second)
    assert second.unmet() == ["no operator leads: nobody answers"]
    leases.before = lambda: None
    first.attempt()
    second.attempt()
    assert _leads(first)
    assert not _leads(second)


def test_a_renewal_whose_answer_was_lost_is_not_counted(leases: Leases, time: Time) -> None:
    """The Lease says more than the leader knows, never less."""
    elector, other = (_elector(leases, name, time) for name in ("a", "b"))
    elector.attempt()
    term = elector.term
    assert term is not None
    time.now += 2
    leases.after = _down
    elector.attempt()
    assert term.left() == LEASE_SECONDS - MARGIN_SECONDS - 2
    leases.after = lambda: None
    other.attempt()
    time.now += LEASE_SECONDS - 0.1
    other.attempt()
    assert not _leads(other)


def test_a_lease_that_was_given_back_is_taken_at_the_next_look(leases: Leases, time: Time) -> None:
    """And nobody gives back what is another's by then."""
    first, second = (_elector(leases, name, time) for name in ("a", "b"))
    first.attempt()
    second.attempt()
    first.release()
    assert not _leads(first)
    second.attempt()
    assert _leads(second)
    first.release()
    assert leases.stored is not None
    assert leases.stored["spec"]["holderIdentity"] == "b"


def test_a_lease_that_was_let_be_while_duties_ended_is_given_back_too(leases: Leases, time: Time) -> None:
    """Else the other one would wait for a whole lease after each graceful end that a look fell into."""
    elector = _elector(leases, "a", time)
    elector.attempt()
    term = elector.term
    assert term is not None
    term.busy = True
    term.close()
    elector.attempt()
    term.busy = False
    elector.release()
    assert _holder(leases) == ""


def test_a_late_release_does_not_end_anothers_term(leases: Leases, time: Time) -> None:
    """Of one that has slept meanwhile."""
    first, second = (_elector(leases, name, time) for name in ("a", "b"))
    first.attempt()
    second.attempt()
    time.now += LEASE_SECONDS
    second.attempt()
    first.release()
    assert leases.stored is not None
    assert leases.stored["spec"]["holderIdentity"] == "b"


def test_a_leader_whose_lease_somebody_edits_stops_at_its_next_look(leases: Leases, time: Time) -> None:
    """Two can not be led to believe in themselves by hand, either."""
    elector = _elector(leases, "a", time)
    elector.attempt()
    leases.edited(holderIdentity="somebody")
    while elector.attempt() == 0:
        pass
    assert not _leads(elector)
    time.now += LEASE_SECONDS
    elector.attempt()
    assert _leads(elector)


def test_a_lease_that_somebody_deletes_ends_no_term_and_begins_none(leases: Leases, time: Time) -> None:
    """The leader makes it anew; if it is gone, the other one waits as long as if it were there."""
    first, second = (_elector(leases, name, time) for name in ("a", "b"))
    first.attempt()
    second.attempt()
    leases.stored = None
    second.attempt()
    assert not _leads(second)
    first.attempt()
    first.attempt()
    assert _holder(leases) == "a"
    second.attempt()
    leases.stored = None
    second.attempt()
    time.now += LEASE_SECONDS - 0.1
    second.attempt()
    assert not _leads(second)
    assert not _leads(first)
    time.now += 0.1
    second.attempt()
    assert _leads(second)


def test_an_operator_that_holds_leases_for_longer_is_waited_for(leases: Leases, time: Time) -> None:
    """As in an upgrade; but not for as long as somebody may have written there."""
    elector = _elector(leases, "a", time)
    leases.create("", {"metadata": {}, "spec": {"holderIdentity": "old", "leaseDurationSeconds": 15}})
    elector.attempt()
    time.now += 14
    elector.attempt()
    assert not _leads(elector)
    time.now += 1
    elector.attempt()
    assert _leads(elector)
    leases.edited(holderIdentity="old", leaseDurationSeconds=2**31 - 1)
    elector.attempt()
    elector.attempt()
    time.now += 60
    elector.attempt()
    assert _leads(elector)


class World:
    """Several candidates in one true time, each with a clock of its own, and an API server that takes its time."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = 0.0
        self.leases = Leases()
        self.leases.before = self.leases.after = self._under_way
        self._depth = 0
        self._due: list[tuple[float, Elector]] = []
        self.leaders: set[str] = set()
        for name in "abc":
            rate, offset = chance.uniform(0.92, 1.08), chance.uniform(-1e6, 1e6)
            clock = self._clock(rate, offset)
            self._due.append((0.0, _elector(self.leases, name, clock)))
        self._electors = [elector for _, elector in self._due]

    def _clock(self, rate: float, offset: float) -> Callable[[], float]:
        return lambda: self.now * rate + offset

    def _under_way(self) -> None:
        """A request takes its time, is lost, or finds its sender asleep; the others go on meanwhile."""
        seconds = self.chance.choice([0.01] * 8 + [0.3, self.chance.expovariate(0.2)])
        if self._depth < 3:
            self._depth += 1
            self.live(self.now + seconds)
            self._depth -= 1
        if self.chance.random() < 0.05:
            raise ApiError(0, "lost")

    def live(self, until: float) -> None:
        """Let time pass, in which whoever is not under way already looks at the Lease when it is due."""
        while self.now < until:
            self._look()
            due = [entry for entry in self._due if entry[0] <= self.now]
            if due and self.chance.random() < 0.9:
                entry = self.chance.choice(due)
                self._due.remove(entry)
                pause = entry[1].attempt()
                asleep = self.chance.expovariate(0.1) if self.chance.random() < 0.05 else 0.0
                self._due.append((self.now + pause + asleep, entry[1]))
            self.now += 0.05

    def _look(self) -> None:
        leading = [elector.name for elector in self._electors if elector.term is not None]
        assert len(leading) < 2, f"{leading} lead at once"
        self.leaders.update(leading)


@pytest.mark.parametrize("seed", range(30))
def test_never_do_two_lead_whatever_is_late_lost_or_asleep(seed: int) -> None:
    """Clocks of which one runs a sixth faster than the other, requests under way for seconds, candidates asleep."""
    world = World(random.Random(seed))  # noqa: S311 - no secret
    world.live(300)
    assert world.leaders
