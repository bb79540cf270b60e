"""Who gives way where a port has as many connections as it may."""

import math
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from seconder.http.crowd import NEVER, Crowd


@dataclass(eq=False)
class One:
    """A connection."""

    address: str
    said: bool = False
    used: float = NEVER
    proven: bool = False
    name: str = field(default="")


def _crowd(most: int) -> Crowd[One]:
    return Crowd(most, lambda one: one.used, lambda one: one.said)


def _in(crowd: Crowd[One], *ones: One) -> None:
    for one in ones:
        assert crowd.take(one, one.address) is None
        if one.said or one.used:
            crowd.heard(one, one)


def test_whoever_has_most_pays_with_the_oldest_that_said_nothing() -> None:
    """A newcomer of an address with few is never the one."""
    crowd = _crowd(4)
    many = [One("many") for _ in range(3)]
    _in(crowd, One("few"), *many)
    for paid in many[:2]:
        newcomer = One("other")
        assert crowd.take(newcomer, "other") is paid
        crowd.discard(newcomer)
        _in(crowd, One("many"))


def test_of_one_address_whoever_did_least_goes_first() -> None:
    """Silent, then without a whole request, then long without one; who is being answered goes last."""
    crowd = _crowd(5)
    answered, late, early = One("a", used=math.inf), One("a", used=9.0), One("a", used=5.0)
    half, silent = One("a", said=True), One("a")
    _in(crowd, answered, late, early, half, silent)
    for paid in (silent, half, early, late):
        newcomer = One("a", used=10.0)
        assert crowd.take(newcomer, "a") is paid
        crowd.heard(newcomer, newcomer)


def test_what_was_said_before_anybody_listened_counts() -> None:
    """A burst of silent ones does not push out the one among them that waits to be heard."""
    crowd = _crowd(3)
    asks = One("a")
    _in(crowd, asks, One("a"), One("a"))
    asks.said = True
    for _ in range(10):
        assert crowd.take(One("a"), "a") not in (asks, None)


def test_where_all_of_an_address_are_being_answered_its_newcomer_waits_outside() -> None:
    """Nothing that is under way is ended for it, and for another address' one is."""
    crowd = _crowd(2)
    both = [One("a", used=math.inf) for _ in range(2)]
    _in(crowd, *both)
    newcomer = One("a")
    assert crowd.take(newcomer, "a") is newcomer
    assert crowd.take(One("b"), "b") in both


def test_two_with_many_do_not_end_each_others() -> None:
    """Each pays its own."""
    crowd = _crowd(4)
    theirs = [One("a"), One("a")]
    _in(crowd, *theirs, One("b"), One("b"))
    assert crowd.take(One("a"), "a") is theirs[0]


def test_proven_callers_go_never() -> None:
    """Nor do they count as their address'."""
    crowd = _crowd(3)
    proven = [One("a") for _ in range(3)]
    for one in proven:
        _in(crowd, one)
        crowd.prove(one)
    newcomer = One("b")
    assert crowd.take(newcomer, "b") is newcomer
    crowd.discard(proven[0])
    assert len(crowd) == 2
    _in(crowd, newcomer)
    assert crowd.take(One("a"), "a") is newcomer


_STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "come", "say", "ask", "prove", "go"]), st.integers(0, 3), st.integers(0, 20)),
    max_size=60,
)


@settings(max_examples=200)
@given(st.integers(1, 6), _STEPS)
def test_whatever_happens_nobody_with_few_is_kept_out_or_ended(most: int, steps: list[tuple[str, int, int]]) -> None:
    """And there are never more than there may be."""
    crowd, inside = _crowd(most), []
    for now, (step, address, which) in enumerate(steps, 1):
        if step == "come":
            one = One(str(address))
            inside.append(one)
            counts = Counter(each.address for each in inside if not each.proven)
            leaves = crowd.take(one, one.address)
            assert (leaves is None) == (len(inside) <= most)
            if leaves is not None:
                inside.remove(leaves)
                assert not leaves.proven
                assert counts[leaves.address] == max(counts.values())
                assert leaves is not one or counts[one.address] == max(counts.values())
        elif inside:
            one = inside[which % len(inside)]
            if step == "say":
                one.said = True
            elif step == "ask":
                crowd.heard(one, one) if not one.proven and not one.used else None
                one.said, one.used = True, float(now)
            elif step == "prove":
                one.proven = True
                crowd.prove(one)
            else:
                inside.remove(one)
                crowd.discard(one)
        assert len(crowd) == len(inside) <= most
