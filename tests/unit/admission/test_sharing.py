"""What several objects say together, so that one more says otherwise: Ingresses of a host, NetworkPolicies of pods."""

import json
from typing import Any

import pytest
from tests.support.builders import (
    DEPLOYMENTS,
    PERSON,
    approved_for,
    creation,
    deletion,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, ended

from seconder.admission.indirect import hosts, means, selectors
from seconder.admission.indirect.aliases import BUILT_IN
from seconder.admission.indirect.hosts import Hosts
from seconder.admission.kinds import INGRESSES, NETWORK_POLICY
from seconder.admission.lookups import Hosting, Overlapping, Placed
from seconder.admission.request import Request
from seconder.admission.rules import indirect_deletion
from seconder.api.label_selector import Operator, Requirement
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import Action, Target

INGRESS = Target(INGRESSES.resource, "Ingress", "payments", "shop", "uid-shop")
CLOSED = Target(NETWORK_POLICY.resource, "NetworkPolicy", "payments", "closed", "uid-closed")
KINDS = [(INGRESS, Hosting), (CLOSED, Overlapping)]
IDS = ["Ingress", "NetworkPolicy"]

Fields = dict[str, Any]


def _of(object_: Target, one: str) -> Fields:
    """Fields by which an object shares something of this name with others."""
    if object_.resource == INGRESS.resource:
        return {"spec": {"rules": [{"host": f"{one}.example.com"}]}}
    return {"spec": {"podSelector": {"matchLabels": {"app": one}}}}


def _mine(object_: Target, place: str = "payments") -> Target:
    return target(object_.resource, "mine", place, uid="uid-mine")


def _there(*found: Target, **given: Any) -> Answers:
    placed = [Placed(each.namespace, each.name, each.uid) for each in found]
    objects = {key: one for each in found for key, one in live(each).items()}
    return Answers(**({"objects": objects, "hosting": placed, "overlapping": placed} | given))


@pytest.mark.parametrize(("there", "lookup"), KINDS, ids=IDS)
def test_who_makes_or_changes_what_shares_with_a_protected_one_counts_as_its_end(there: Target, lookup: Any) -> None:
    """By what is not free; of the very object there is nothing to say, nor where no policy protects the other."""
    cluster, mine = state(policy(there.resource, namespaces=frozenset({"payments"}))), _mine(there)
    made = creation(mine, new=_of(there, "shop"))
    answers = _there(there)
    assert ended(decide(made, cluster, answers=answers)) == [there.name]
    assert len(answers.questions(lookup)) == 1
    assert ended(decide(made, cluster, answers=_there(mine))) == []
    other = target(there.resource, "x", "elsewhere", uid="uid-x")
    if there == INGRESS:
        assert ended(decide(made, cluster, answers=_there(other))) == []
    signed = _there(there, objects=live(there, annotations=approved_for(there)))
    assert decide(made, cluster, answers=signed).reason is Reason.APPROVED
    assert decide(made, cluster, answers=Answers(unknown=[lookup])).reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize(("there", "lookup"), KINDS, ids=IDS)
def test_what_is_free_and_where_nothing_is_protected_costs_no_look_up(there: Target, lookup: Any) -> None:
    """Nor do deletions, people, or another kind's policies."""
    unknown, mine = Answers(unknown=[lookup]), _mine(there)
    cluster = state(policy(there.resource))
    old, new = _of(there, "a"), _of(there, "shop")
    assert decide(update(mine, old=old, new=old | {"labels": {"a": "b"}}), cluster, answers=unknown).allowed
    assert decide(creation(mine, PERSON, new=new), cluster, answers=unknown).allowed
    for asked in (creation(mine, new=new), update(mine, old=old, new=new)):
        assert decide(asked, state(policy(DEPLOYMENTS)), answers=unknown).allowed
        assert decide(asked, state(), answers=unknown).allowed
    status = update(mine, old=old, new=old | {"status": {"a": 1}}, subResource="status")
    assert ended(decide(status, _sparing(there.resource), answers=unknown)) == []
    assert decide(deletion(mine), _sparing(there.resource), answers=unknown).reason is Reason.APPROVAL_MISSING


def _sparing(resource: Any, **fields: Any) -> Any:
    """A cluster whose policy does not ask about changes."""
    return state(_deletions(resource, **fields))


def _deletions(resource: Any, **fields: Any) -> Policy:
    return policy(resource, **({"actions": frozenset({Action.DELETE})} | fields))


@pytest.mark.parametrize(("there", "lookup"), KINDS, ids=IDS)
def test_whoever_signs_for_the_change_itself_is_not_asked_again(there: Target, lookup: Any) -> None:
    """By the same policies. Those that free it, or ask about deletions alone, do ask; so does another one."""
    mine = _mine(there)
    asked = update(mine, old=_of(there, "a"), new=_of(there, "shop"))

    def lost(*policies: Policy) -> list[str]:
        return ended(decide(asked, state(*policies), answers=_there(there), rules=[indirect_deletion.RULE]))

    assert lost(policy(there.resource)) == []
    assert lost(policy(there.resource, free_changes=("spec",))) == [there.name]
    assert lost(_deletions(there.resource)) == [there.name]
    assert lost(policy(there.resource), _deletions(there.resource, name="q")) == [there.name]
    decided = decide(asked, state(policy(there.resource)), answers=Answers(unknown=[Overlapping]))
    assert [part.effect.action for part in decided.parts] == [Action.CHANGE]


def test_a_network_policy_is_of_its_namespace() -> None:
    """Where none is protected nothing is asked."""
    unknown = Answers(unknown=[Overlapping])
    cluster = state(policy(CLOSED.resource, namespaces=frozenset({"payments"})))
    assert decide(creation(_mine(CLOSED, "shop"), new=_of(CLOSED, "a")), cluster, answers=unknown).allowed
    answers = _there(CLOSED)
    decide(creation(_mine(CLOSED), new=_of(CLOSED, "a")), cluster, answers=answers)
    (asked,) = answers.questions(Overlapping)
    assert asked.namespace == "payments"
    assert asked.selector == (Requirement("app", Operator.IN, frozenset({"a"})),)
    for odd in ({"spec": {"podSelector": "x"}}, {"spec": "x"}):
        made = creation(_mine(CLOSED), new=odd)
        assert decide(made, cluster, answers=_there(CLOSED)).reason is Reason.INTERNAL_ERROR


def test_an_ingress_counts_in_whatever_namespace() -> None:
    """By all that it has: hosts of rules and certificates, aliases, and all by default."""
    cluster = state(policy(INGRESS.resource, namespaces=frozenset({"payments"})))
    answers = _there(INGRESS)
    made = creation(_mine(INGRESS, "dev"), new=_of(INGRESS, "shop"))
    assert ended(decide(made, cluster, answers=answers)) == ["shop"]
    (asked,) = answers.questions(Hosting)
    assert asked.hosts == ("shop.example.com",)
    unknown = Answers(unknown=[Hosting])
    assert decide(creation(_mine(INGRESS, "dev"), new={"spec": {}}), cluster, answers=unknown).allowed


def test_an_annotation_that_adds_hosts_counts_whatever_its_prefix() -> None:
    """People choose it; what stood there before, or adds none, is as free as it was."""
    mine = _mine(INGRESS, "dev")
    cluster = state(policy(INGRESS.resource, namespaces=frozenset({"payments"})))
    old, unknown = _of(INGRESS, "a"), Answers(unknown=[Hosting])
    for name, value in (("server-alias", "shop.example.com"), ("configuration-snippet", "} server { listen 443;")):
        notes = {f"x.io/{name}": value}
        added = update(mine, old=old, new=old | {"annotations": notes})
        assert ended(decide(added, cluster, answers=_there(INGRESS))) == ["shop"]
        assert decide(update(mine, PERSON, old=old, new=old | {"annotations": notes}), cluster, answers=unknown).allowed
        more = update(mine, old=old | {"annotations": notes}, new=old | {"annotations": notes | {"x.io/a": "b"}})
        assert decide(more, cluster, answers=unknown).allowed
        taken = update(mine, old=old | {"annotations": notes}, new=old)
        assert decide(taken, cluster, answers=unknown).allowed
        other = update(
            mine, old=old | {"annotations": notes}, new=old | {"annotations": {f"x.io/{name}": f"b, {value}"}}
        )
        assert ended(decide(other, cluster, answers=_there(INGRESS))) == ["shop"]


def test_more_than_can_be_approved_together_are_told_by_their_number() -> None:
    """A default backend meets all; those that nobody protects are none of them."""
    cluster = state(policy(INGRESS.resource, namespaces=frozenset({"payments"})))
    many = [target(INGRESS.resource, f"i{n}", uid=f"uid-{n}") for n in range(9)]
    others = [target(INGRESS.resource, f"o{n}", "dev", uid=f"uid-o{n}") for n in range(9)]
    made: Request = creation(_mine(INGRESS), new={"spec": {"defaultBackend": {"service": {"name": "x"}}}})
    decided = decide(made, cluster, answers=_there(*many, *others))
    assert "9 protected objects" in decided.message
    assert ended(decide(made, cluster, answers=_there(*many[:2], *others))) == ["i0", "i1"]


def _condition(**told: list[str]) -> str:
    return json.dumps([{"field": "host-header", "hostHeaderConfig": told}])


def _escaped(**told: list[str]) -> str:
    return _condition(**told).replace("-", "\\u002d")


@pytest.mark.parametrize(
    ("spec", "annotations", "told"),
    [
        ({"rules": [{"host": "A.example.com."}, {"host": "b.example.com"}]}, {}, {"a.example.com", "b.example.com"}),
        ({"rules": [{"http": {}}]}, {}, {""}),
        ({"rules": [{"host": "a.b"}], "defaultBackend": {"service": {"name": "x"}}}, None, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}], "tls": [{"hosts": ["c.b"]}, {"secretName": "x"}]}, {}, {"a.b", "c.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-alias": "c.b, d.b,", "x.io/other": "e.b"}, {"a.b", "c.b", "d.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-alias": "~^.+$"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-alias": "*.C.b"}, {"a.b", "*.c.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-alias": "*c.b"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-alias": "c.*"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-alias": ".c.b"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-alias": "*"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": _condition(values=["*c.b"])}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/hostname-extension": "c.b, d.b"}, {"a.b", "c.b", "d.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/redirect-from": "c.b,d.b"}, {"a.b", "c.b", "d.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-alias-regex": "^c[.]b$"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/redirect-from-regex": "^c[.]b$"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"zalando.org/skipper-routes": "Host(/c/)"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-snippet": "server_name c.b;"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-snippet": "gzip on;"}, {"a.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-snippet": "gzip on; # more\n 'listen'\t443;"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-snippet": "}server{listen\r\n443;"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-snippet": "if ($http_user_agent ~ listenbot) {}"}, {"a.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-snippet": "set $a $server_name; set $b ${server_name};"}, {"a.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-snippet": "add_header X-Server server_name always;"}, {"a.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/server-snippets": "server_name c.b;"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/configuration-snippet": "} } server { listen 443;"}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/host-aliases": "c.b,d.b"}, {"a.b", "c.b", "d.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": '[{"field":"host-header"}]'}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": '[{"field":"host-header"}'}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": '[{"field":"source-ip"}]'}, {"a.b"}),
        (
            {"rules": [{"host": "a.b"}]},
            {"x.io/conditions.shop": _condition(values=["c.b", "*.d.b"])},
            {"a.b", "c.b", "*.d.b"},
        ),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": _condition(values=["sh?p.b"])}, {"a.b", ""}),
        (
            {"rules": [{"host": "a.b"}]},
            {"x.io/conditions.shop": _condition(Values=["d.b"])},
            {"a.b", ""},
        ),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": _escaped(values=["c.b"])}, {"a.b", "c.b"}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": '[{"field":"x","Field":"host-header"}]'}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": _condition(values=["*.*.b"])}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}]}, {"x.io/conditions.shop": _condition(regexValues=["^c[.]b$"])}, {"a.b", ""}),
        ({"rules": [{"host": "a.b"}], "tls": [{"hosts": ["*.c.b", "d.b"]}]}, {}, {"a.b", "d.b"}),
        ({}, {}, set()),
        (None, None, set()),
        ({"rules": "x"}, {}, {""}),
        ({"rules": [{"host": 1}]}, {}, {""}),
    ],
)
def test_the_hosts_of_an_ingress(spec: Any, annotations: Any, told: set[str]) -> None:
    """All where they cannot be read; no host is all."""
    assert hosts.told(spec, annotations) == told


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a.example.com", "a.example.com", True),
        ("a.example.com", "b.example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "*.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.badexample.com", False),
        ("*.b.example.com", "*.c.example.com", False),
        ("", "a.example.com", True),
        ("", "", True),
    ],
)
def test_hosts_meet_by_name_or_by_a_wildcard(one: str, other: str, meet: bool) -> None:
    """Whichever of them is asked for."""
    assert Hosts([one, "zz.zz"]).meet([other]) is meet
    assert Hosts([other, "zz.zz"]).meet([one]) is meet


def test_very_many_hosts_are_compared_quickly() -> None:
    """An agent's Ingress may have tens of thousands, and a cluster's as many."""
    mine = Hosts(f"*.{n}.example.com" for n in range(20_000))
    assert not mine.meet(f"*.{n}.example.org" for n in range(20_000))
    assert not Hosts([]).meet(["", "a.b"])


_IN, _OUT, _HAS, _NOT = Operator.IN, Operator.NOT_IN, Operator.EXISTS, Operator.DOES_NOT_EXIST


def _selector(*wanted: tuple[str, Operator, list[str]]) -> Fields:
    return {"matchExpressions": [{"key": key, "operator": how, "values": values} for key, how, values in wanted]}


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ({}, {"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "web", "tier": "front"}}, True),
        ({"matchLabels": {"app": "web"}}, {"matchLabels": {"tier": "front"}}, True),
        ({"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "db", "tier": "front"}}, False),
        (_selector(("app", _IN, ["a", "b"])), _selector(("app", _IN, ["b", "c"])), True),
        (_selector(("app", _IN, ["a", "b"])), _selector(("app", _OUT, ["a"])), True),
        (_selector(("app", _IN, ["a"])), _selector(("app", _OUT, ["a", "b"])), False),
        (_selector(("app", _OUT, ["a"])), _selector(("app", _OUT, ["b"])), True),
        (_selector(("app", _OUT, ["a"])), _selector(("app", _NOT, [])), True),
        (_selector(("app", _HAS, [])), _selector(("app", _NOT, [])), False),
        (_selector(("app", _IN, ["a"])), _selector(("app", _NOT, [])), False),
        (_selector(("app", _HAS, [])), _selector(("app", _OUT, ["a"])), True),
        (_selector(("app", _IN, ["a"])), _selector(("app", _HAS, [])), True),
    ],
)
def test_selectors_are_apart_where_both_cannot_be_met(one: Fields, other: Fields, overlap: bool) -> None:
    """For some key; whatever else they ask, something may fit both. Either may be the stored one."""
    kind = NETWORK_POLICY.resource
    for wanted, stored in ((one, other), (other, one)):
        selector = selectors.selector_of(kind, {"podSelector": wanted})
        assert selectors.may_overlap(selector, kind, {"podSelector": stored}) is overlap
    assert selectors.may_overlap((), kind, {"podSelector": "x"})


def test_the_right_to_make_an_ingress_counts_wherever_it_is_had() -> None:
    """It takes the hosts of other namespaces. That to make a NetworkPolicy counts in its own."""

    def far(there: Target) -> list[bool]:
        given = means.of(policy(there.resource), BUILT_IN)
        return [each.far for each in given if each.resource == there.resource and "create" in each.verbs]

    assert far(INGRESS) == [True]
    assert far(CLOSED) == [False]


def test_what_is_longer_than_any_host_stands_for_all() -> None:
    """In an annotation anything may stand, and each domain above it is looked up."""
    key = "nginx.ingress.kubernetes.io/server-alias"
    long = ".".join("a" * 127)
    assert hosts.told({}, {key: long}) == {long}
    assert hosts.told({}, {key: f"{long}.a"}) == {""}
