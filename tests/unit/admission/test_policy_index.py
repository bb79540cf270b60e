"""All policies, found by what they name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import DEPLOYMENTS, WIDGETS, policy, resolved

from seconder.admission.policy_index import MOST_FOLLOWED, PolicyIndex
from seconder.api.label_selector import Operator
from seconder.api.label_selector import Requirement as LabelRequirement
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode, Subjects
from seconder.api.resources import NAMESPACES, NODES, PODS, Action, GroupResource, Presence


def test_both_forms_of_an_invalid_policy_are_found() -> None:
    """Its coarse refusal, and its last valid form, under one name."""
    everyone, coarse = policy(subjects=Subjects.EVERYONE), policy(problem="broken")
    assert PolicyIndex([everyone, coarse]).naming(DEPLOYMENTS, "payments") == (everyone, coarse)


def test_a_policy_is_found_once_however_often_it_names_a_thing() -> None:
    """By name and by wildcard."""
    ways = (DEPLOYMENTS, GroupResource("apps", "*"), GroupResource("*", "*"), GroupResource("*", "deployments"))
    one = policy(*ways)
    index = PolicyIndex([one])
    assert index.naming(DEPLOYMENTS, "payments") == index.naming(DEPLOYMENTS, "") == (one,)


def test_a_namespace_list_on_a_cluster_scoped_kind_still_covers_it() -> None:
    """It makes the policy invalid, and an invalid policy refuses what it names wherever that is."""
    one = policy(NODES, namespaces=frozenset({"payments"}), problem="broken")
    assert PolicyIndex([one]).naming(NODES, "") == (one,)


def test_a_wildcard_limited_to_a_namespace_covers_that_namespace_and_nothing_cluster_wide() -> None:
    """Names, never labels."""
    one = policy(GroupResource("*", "*"), namespaces=frozenset({"payments"}))
    index = PolicyIndex([one])
    for resource, place, policies in ((NAMESPACES, "payments", (one,)), (PODS, "payments", (one,)), (NODES, "", ())):
        assert index.naming(resource, place) == policies
    assert index.naming(NAMESPACES, "other") == index.naming(PODS, "other") == ()


def test_what_is_found_is_remembered_in_bounds() -> None:
    """An agent may ask about any number of kinds and namespaces; the answers stay right."""
    one, there = policy(WIDGETS), policy(name="q", namespaces=frozenset({"payments"}))
    index = PolicyIndex([one, there])
    for number in range(5000):
        assert index.naming(GroupResource("example.com", f"r{number}"), f"place-{number}") == ()
        assert index.naming(DEPLOYMENTS, f"place-{number}") == ()
    assert index.naming(DEPLOYMENTS, "payments") == (there,)
    assert index.naming(WIDGETS, "payments") == index.naming(WIDGETS, "elsewhere") == (one,)
    assert len(index._remembered) <= 4096


def test_the_known_tags_are_those_of_all_policies_and_the_defaults() -> None:
    """Audit and invalid ones included."""
    index = PolicyIndex(
        [
            policy(agents=AgentTags(users=frozenset({"bot"})), mode=Mode.AUDIT),
            policy(agents=AgentTags(groups=frozenset({"bots"}), extra_keys=frozenset()), name="b", problem="broken"),
        ]
    )
    assert index.known_tags.users == {"bot"}
    assert index.known_tags.groups == {"bots", "seconder.dev:agents"}
    assert index.known_tags.extra_keys == {"seconder.dev/agent"}
    assert len(index.tags) == 3
    assert PolicyIndex([]).known_tags == DEFAULT_TAGS


def test_what_makes_a_protected_kind_is_followed_too() -> None:
    """The Deployment over the ReplicaSet over pods, as the owner of an owner; and the node that they end with."""
    followed = {each.resource.resource for each in PolicyIndex([policy(PODS)]).followed}
    sets = {"daemonsets", "replicasets", "replicationcontrollers", "statefulsets"}
    assert followed == sets | {"cronjobs", "deployments", "jobs", "namespaces", "nodes", "pods"}


def test_namespaces_are_followed_with_whatever_they_can_hold() -> None:
    """Once, however a policy names them; and nothing where no policy refuses deletions."""
    namespaces = resolved(NAMESPACES)
    assert PolicyIndex([policy()]).followed == {resolved(DEPLOYMENTS), namespaces}
    assert PolicyIndex([policy(DEPLOYMENTS, NAMESPACES)]).followed == {resolved(DEPLOYMENTS), namespaces}
    assert PolicyIndex([policy(NODES, ended_by=())]).followed == {resolved(NODES)}
    assert PolicyIndex([policy(NODES)]).followed == {resolved(NODES), namespaces}, "Machines stand in them"
    for other in (policy(mode=Mode.AUDIT), policy(actions=frozenset({Action.SCALE_TO_ZERO}))):
        assert not PolicyIndex([other]).follows
    assert PolicyIndex([policy(resolved={}, resolution_current=False)]).follows


def test_what_cannot_be_seen_may_be_owned_by_anything_while_its_definition_is_there() -> None:
    """It is not followed, since nobody can look; and no answer about what goes along is complete without it."""
    for presence, known in ((Presence.UNSERVED, False), (Presence.UNDEFINED, True)):
        hidden = policy(WIDGETS, resolved={WIDGETS: replace(resolved(WIDGETS), presence=presence)})
        index = PolicyIndex([hidden])
        assert (index.followed, index.followed_known, index.follows) == (frozenset(), known, not known)


def _kinds(count: int) -> Sequence[GroupResource]:
    return [GroupResource("many.example.com", f"w{number}s") for number in range(count)]


def test_what_one_policy_stands_for_beyond_that_matters_where_it_holds() -> None:
    """Who owns what is known of all other policies' kinds, in all other namespaces; nowhere else, and not of all."""
    large = policy(*_kinds(MOST_FOLLOWED), name="large", namespaces=frozenset({"prod"}))
    small = policy(DEPLOYMENTS)
    index = PolicyIndex([large, small])
    assert index.followed == {resolved(DEPLOYMENTS), resolved(NAMESPACES)}
    assert [index.all_followed(place) for place in ("day", "prod", "")] == [True, False, False]
    assert index.follows_some_of({_kinds(1)[0]})
    assert PolicyIndex([large]).follows
    without = PolicyIndex([replace(large, resolved=dict([*large.resolved.items()][1:]))])
    assert [without.all_followed(place) for place in ("day", "prod", "")] == [True, True, True]


_SELECTED = (LabelRequirement("team", Operator.EXISTS, frozenset()),)


@pytest.mark.parametrize("anywhere", [{"namespaces": frozenset()}, {"selector": _SELECTED}, {"problem": "broken"}])
def test_what_may_hold_anywhere_matters_everywhere(anywhere: dict[str, Any]) -> None:
    """By labels, and an invalid policy too, which may name what is in no namespace."""
    fields: dict[str, Any] = {"namespaces": frozenset({"prod"})} | anywhere
    assert not PolicyIndex([policy(*_kinds(MOST_FOLLOWED), **fields)]).all_followed("day")


def test_what_nobody_has_looked_at_matters_where_its_policy_holds() -> None:
    """As long as discovery has not, or cannot."""
    hidden = {WIDGETS: replace(resolved(WIDGETS), presence=Presence.UNSERVED)}
    unseen: list[dict[str, Any]] = [{"resolution_current": False}, {"resolved": hidden}]
    for fields in unseen:
        index = PolicyIndex([policy(WIDGETS, namespaces=frozenset({"prod"}), **fields)])
        assert [index.all_followed(place) for place in ("day", "prod", "")] == [True, False, False]
