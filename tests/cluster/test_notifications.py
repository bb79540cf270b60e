"""Whoever is named as a target hears of a refusal and of what became of it, soon."""

import json
import time
from pathlib import Path

from standardwebhooks.webhooks import Webhook
from tests.cluster.test_change_requests import refused
from tests.support import receivers
from tests.support.cluster import Cluster
from tests.support.operator import operator_with

_SECRET = "whsec_dGhpcnR5LXR3byBieXRlcyBvZiBhIHRlc3QncyBvd24="


def test_a_receiver_is_told_within_two_seconds_of_the_refusal(cluster: Cluster, tmp_path: Path) -> None:
    """Signed; and again when it is approved, and when it is done."""
    cluster.deployment()
    pair = receivers.certificate(tmp_path)
    folder = tmp_path / "targets"
    folder.mkdir()
    with receivers.http(pair) as sink:
        (folder / "hook").write_text(f"cloudevents+{sink.url}/?secret={_SECRET}")
        (folder / "ca.crt").write_bytes(pair[0].read_bytes())
        with operator_with(cluster.stack, f"--notification-targets={folder}"):
            name = refused(cluster)
            started = time.monotonic()
            sink.wait(1, 10)
            took = time.monotonic() - started
            cluster.approve(cluster.alice)
            sink.wait(2, 10)
            assert cluster.delete(cluster.agent).code == 0
            posted = sink.wait(3, 15)
    found = [Webhook(_SECRET).verify(one.body, dict(one.headers)) for one in posted]
    assert [one["type"].rpartition(".")[2] for one in found] == ["pending", "approved", "used"]
    assert {one["subject"] for one in found} == {name}
    assert json.dumps(found[0]["data"]).count(cluster.namespace) >= 1
    assert took < 2.0, f"the first came after {took:.1f} s"
