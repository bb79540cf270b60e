"""What is another value at each try: marks stand for what nobody chose, and for nothing else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seconder.admission.changes import anew, differences
from seconder.admission.changes.differences import between, done, rebased, standing
from seconder.admission.changes.free_paths import NOTHING, compiled
from seconder.api.resources import DAEMON_SETS, DEPLOYMENTS, REPLICA_SETS, SERVICES, STATEFUL_SETS
from seconder.approvals.difference import Difference

_KEY = "kubectl.kubernetes.io/restartedAt"
_TIMES = ("2026-11-29T17:00:00Z", "2026-11-29T18:30:00+01:00", "2026-11-29T18:00:00.5Z")
"""Each later than the one before."""


def _fields(*owned: str, port: int = 80) -> dict[str, Any]:
    """The fields of a Service that a manager owns. One of ``nodePort`` is that of a port."""
    key = json.dumps({"port": port, "protocol": "TCP"}, separators=(",", ":"))
    own: dict[str, Any] = {".": {}, "f:port": {}} | ({"f:nodePort": {}} if "nodePort" in owned else {})
    return {"f:spec": {"f:ports": {".": {}, f"k:{key}": own}} | {f"f:{each}": {} for each in owned}}


_STORED = {"manager": "a", "operation": "Update", "fieldsV1": _fields()}
"""What is noted of a Service that is stored."""


def _entries(*owned: str, port: int = 80) -> list[dict[str, Any]]:
    """The same, and what is noted of a request."""
    return [_STORED, {"manager": "b", "operation": "Update", "fieldsV1": _fields(*owned, port=port)}]


def _service(ports: Any = (None,), entries: Any = None, **spec: Any) -> dict[str, Any]:
    """A Service with these node ports, on the ports 80, 81 and so on."""
    listed = [
        {"port": 80 + at, "protocol": "TCP"} | ({} if port is None else {"nodePort": port})
        for at, port in enumerate(ports)
    ]
    metadata = {"name": "web", "managedFields": [_STORED] if entries is None else entries}
    return {"kind": "Service", "metadata": metadata, "spec": {"ports": listed, **spec}}


def _change(stored: Any, wanted: Any, resource: Any = SERVICES) -> Difference:
    found = between(resource, stored, wanted, [NOTHING])
    assert found is not None
    return found


_ALLOCATED: tuple[tuple[str, Any, Any], ...] = (
    ("nodePort", _service(), lambda value, entries: _service((30000 + value,), entries)),
    ("healthCheckNodePort", _service(), lambda value, entries: _service((None,), entries, healthCheckNodePort=value)),
    ("clusterIP", _service(), lambda value, entries: _service((None,), entries, clusterIP=f"10.0.0.{value}")),
    ("clusterIPs", _service(), lambda value, entries: _service((None,), entries, clusterIPs=[f"10.0.0.{value}"])),
)


@pytest.mark.parametrize(("field", "stored", "wanted"), _ALLOCATED, ids=[each[0] for each in _ALLOCATED])
def test_what_the_api_server_allocates_is_any_value(field: str, stored: Any, wanted: Any) -> None:
    """It is shown as that, told as a path, and done with whatever value the API server has chosen at last."""
    found = _change(stored, wanted(1, _entries()))
    assert found == _change(stored, wanted(2, _entries("type")))
    assert any(field in path for path in found.paths)
    assert json.dumps(anew.CHOSEN, separators=(",", ":")) in found.patch
    assert done(SERVICES, wanted(3, []), found, [NOTHING])
    assert not done(SERVICES, stored, found, [NOTHING])
    based = rebased(SERVICES, stored, found, [NOTHING])
    assert based is not None
    assert (based.difference, based.proven) == (found, True)
    assert standing(SERVICES, stored, found, [NOTHING]).rebased == based


_BROKEN: tuple[Any, ...] = (
    [],
    [_STORED],
    [{}],
    [{"fieldsV1": {}}],
    [{"fieldsV1": {"f:spec": {}}}],
    [{"fieldsV1": None}],
    [{"fieldsV1": {"f:spec": {"f:ports": {}, **{f"f:{each[0]}": {} for each in _ALLOCATED}}}}],
    [{"fieldsV1": {"f:spec": {"f:ports": {"i:0": {}}, **{f"f:{each[0]}": {} for each in _ALLOCATED}}}}],
    [{"fieldsV1": {"f:spec": {"f:ports": {"k:{": {}}, **{f"f:{each[0]}": {} for each in _ALLOCATED}}}}],
    [*_entries(), *({"manager": f"m{at}", "fieldsV1": {}} for at in range(100))],
)
_BESIDE: tuple[str, ...] = (
    "f:foo",
    "f:a",
    "v:80",
    "i:0",
    "k:{",
    "k:{}",
    'k:{"port":true,"protocol":"TCP"}',
    'k:{"port":80.0,"protocol":"TCP"}',
    'k:{"port":80, "protocol":"TCP"}',
    'k:{"protocol":"TCP","port":80}',
    'k:{"port":80,"protocol":"TCP","x":1}',
)


@pytest.mark.parametrize(("field", "stored", "wanted"), _ALLOCATED, ids=[each[0] for each in _ALLOCATED])
def test_what_somebody_may_have_named_is_bound_as_it_is(field: str, stored: Any, wanted: Any) -> None:
    """By whatever manager; and where nothing is noted, or what is noted cannot be read."""
    chosen = _change(stored, wanted(1, _entries()))
    for entries in (_entries(field), *_BROKEN):
        one, other = (_change(stored, wanted(value, entries)) for value in (1, 2))
        assert len({one.after, other.after, chosen.after}) == 3, entries
        assert done(SERVICES, wanted(1, []), one, [NOTHING])
        assert not done(SERVICES, wanted(2, []), one, [NOTHING])


@pytest.mark.parametrize("beside", _BESIDE)
@pytest.mark.parametrize("first", [True, False])
def test_nothing_that_a_client_sends_beside_hides_who_owns_a_port(beside: str, *, first: bool) -> None:
    """The API server unites it with what it notes for the same manager."""
    junk: dict[str, Any] = {beside: {"f:x": {}}}
    for owned in ((), ("nodePort",)):
        entries = _entries(*owned)
        ports = entries[1]["fieldsV1"]["f:spec"]["f:ports"]
        entries[1]["fieldsV1"]["f:spec"]["f:ports"] = junk | ports if first else ports | junk
        one, other = (_change(_service(), _service((port,), entries)) for port in (30001, 30002))
        assert one != other


def test_what_is_owned_of_another_port_names_none() -> None:
    """As of one that a person has named long ago."""
    stored = _service((30001,), _entries("nodePort"))
    noted = [*_entries("nodePort"), *_entries()[1:]]
    found = _change(stored, _service((30001, 30002), noted))
    assert found == _change(stored, _service((30001, 30003), noted))
    named = [*noted, *_entries("nodePort", port=81)]
    assert _change(stored, _service((30001, 30002), named)) != _change(stored, _service((30001, 30003), named))


def test_of_an_object_that_may_be_too_large_to_be_noted_nothing_is_believed() -> None:
    """The API server leaves managedFields as the client sent them where the object would not go into etcd."""
    large = [*_entries(), {"manager": "x" * 600_000, "operation": "Update", "fieldsV1": {"f:metadata": {}}}]
    assert _change(_service(), _service((30001,), large)) != _change(_service(), _service((30002,), large))


def test_a_port_that_cannot_be_told_apart_is_bound_as_it_is() -> None:
    """Its number is free under some list, and stands in no digest."""
    free = [compiled(("spec.ports.*.port",))]
    one, other = (between(SERVICES, _service(), _service((port,)), free) for port in (30001, 30002))
    assert one != other


_PORTS = st.lists(st.sampled_from((None, 30001, 30002, 30003)), max_size=3)
_IPS = st.sampled_from((None, "10.0.0.1", "10.0.0.2"))


@st.composite
def _services(draw: Any) -> dict[str, Any]:
    owned = [field for field in ("nodePort", "clusterIP") if draw(st.booleans())]
    address = draw(_IPS)
    spec = {"type": draw(st.sampled_from(("ClusterIP", "NodePort")))} | ({"clusterIP": address} if address else {})
    return _service(draw(_PORTS), draw(st.sampled_from((_entries(*owned), _entries(*owned), []))), **spec)


def _bound(stored: Any, wanted: Any) -> Any:
    """What an approval must fit by, told another way."""
    told = []
    noted = wanted["metadata"]["managedFields"]
    if all(entry in stored["metadata"]["managedFields"] for entry in noted):
        noted = []
    owned = "f:nodePort" in json.dumps(noted), '"f:clusterIP"' in json.dumps(noted)
    before = {port.get("nodePort") for port in stored["spec"]["ports"]}, {stored["spec"].get("clusterIP")}
    for one, marks in ((stored, False), (wanted, bool(noted))):
        ports = [port.get("nodePort") for port in one["spec"]["ports"]]
        for at, port in enumerate(ports):
            if marks and port is not None and port not in before[0] and not (owned[0] and at == 0):
                ports[at] = "chosen"
        address = one["spec"].get("clusterIP")
        if marks and address is not None and address not in before[1] and not owned[1]:
            address = "chosen"
        told.append((one["spec"]["type"], ports, address))
    return told


@settings(max_examples=1000, deadline=None)
@given(_services(), _services(), _services(), _services())
def test_no_approval_of_what_is_chosen_lets_anything_else_through(
    stored: Any, wanted: Any, other: Any, further: Any
) -> None:
    """The same digests if and only if all is the same but what the API server chose in both."""
    approved = between(SERVICES, stored, wanted, [NOTHING])
    for before, after in ((stored, further), (other, wanted), (other, further), (wanted, further)):
        asked = between(SERVICES, before, after, [NOTHING])
        if approved is None or asked is None:
            continue
        same = (asked.before, asked.after) == (approved.before, approved.after)
        assert same == (_bound(before, after) == _bound(stored, wanted))


def _restarted(time: Any, **spec: Any) -> dict[str, Any]:
    metadata = {} if time is None else {"metadata": {"annotations": {_KEY: time}}}
    return {"metadata": {"name": "x"}, "spec": {"template": {"spec": {}, **metadata}, **spec}}


@pytest.mark.parametrize("resource", [DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS], ids=str)
@pytest.mark.parametrize("former", [None, _TIMES[0]])
def test_a_restart_is_any_later_time(resource: Any, former: Any) -> None:
    """It is done with whatever time was written, and from there on takes another approval."""
    stored = _restarted(former)
    found = _change(stored, _restarted(_TIMES[1]), resource)
    assert found == _change(stored, _restarted(_TIMES[2]), resource)
    assert _KEY in found.paths[0] or former is None
    assert not done(resource, stored, found, [NOTHING])
    based = rebased(resource, stored, found, [NOTHING])
    assert based is not None
    assert (based.difference, based.proven) == (found, True)
    for time in _TIMES[1:]:
        assert done(resource, _restarted(time), found, [NOTHING])
    again = _change(_restarted(_TIMES[1]), _restarted(_TIMES[2]), resource)
    assert again.before != found.before
    assert not done(resource, _restarted(_TIMES[1]), again, [NOTHING])
    assert done(resource, _restarted(_TIMES[2]), again, [NOTHING])


def test_no_other_time_than_a_later_one_is_a_restart() -> None:
    """Two approvals would else let restarts through in turn, from each one's time to the other's, until they end."""
    stored = _restarted(_TIMES[1])
    later = _change(stored, _restarted(_TIMES[2]), DEPLOYMENTS)
    mark = json.loads(later.patch)["spec"]["template"]["metadata"]["annotations"][_KEY]
    assert mark == {"time": f"later than {_TIMES[1]}"}
    others = (
        _TIMES[0],
        "2026-11-29T17:30:00Z",
        "tomorrow",
        "",
        "1",
        mark["time"],
        json.dumps(mark),
        "2027-11-29T18:00:00." + "1" * 30 + "Z",
        None,
    )
    found = [_change(stored, _restarted(other), DEPLOYMENTS) for other in others]
    assert len({each.after for each in (later, *found)}) == len(others) + 1
    for other in ("tomorrow", "", "2027-11-29T18:00:00." + "1" * 30 + "Z"):
        odd = [_change(_restarted(other), _restarted(time), DEPLOYMENTS) for time in _TIMES]
        assert len({each.after for each in odd}) == 3


def test_a_time_to_come_is_no_restart() -> None:
    """No restart after it would be later. A client whose clock is somewhat ahead still makes one."""
    stored = _restarted(_TIMES[0])
    ahead, soon = (datetime.now(UTC) + timedelta(minutes=each) for each in (60, 5))
    plain = _change(stored, _restarted(_TIMES[1]), DEPLOYMENTS)
    assert _change(stored, _restarted(f"{soon:%FT%TZ}"), DEPLOYMENTS) == plain
    for time in (f"{ahead:%FT%TZ}", "9999-12-31T23:59:59Z"):
        found = _change(stored, _restarted(time), DEPLOYMENTS)
        assert found.after != plain.after
        assert time in found.patch
        assert done(DEPLOYMENTS, _restarted(time), found, [NOTHING])


def test_a_restart_beside_something_else_is_approved_with_it_alone() -> None:
    """What else differs is bound."""
    stored = _restarted(_TIMES[0])
    plain, more = (_change(stored, _restarted(_TIMES[1], **spec), DEPLOYMENTS) for spec in ({}, {"paused": True}))
    assert plain.after != more.after
    assert more == _change(stored, _restarted(_TIMES[2], paused=True), DEPLOYMENTS)
    assert not done(DEPLOYMENTS, _restarted(_TIMES[1]), more, [NOTHING])
    assert done(DEPLOYMENTS, _restarted(_TIMES[1], paused=True), more, [NOTHING], let_through=True)


def test_other_kinds_have_the_values_that_they_have() -> None:
    """The tables are of what is known."""
    for stored, wanted in ((None, _TIMES[0]), (_TIMES[0], _TIMES[1])):
        found = _change(_restarted(stored), _restarted(wanted), REPLICA_SETS)
        assert wanted in found.patch


def test_a_recorded_change_without_a_patch_is_none_that_was_made() -> None:
    """Which of its values were chosen, nothing tells."""
    found = _change(_service(), _service((30001,), _entries()))
    found = msgspec.structs.replace(found, patch="", truncated=True)
    assert not done(SERVICES, _service((30001,)), found, [NOTHING])


def test_marks_are_seen_as_they_are_shown() -> None:
    """Whoever reads the wanted state reads that the API server chooses."""
    based = rebased(SERVICES, _service(), _change(_service(), _service((30001,), _entries())), [NOTHING])
    assert based is not None
    assert based.after["spec"]["ports"][0]["nodePort"] == anew.CHOSEN
    assert differences.digest(based.after) == based.difference.after
