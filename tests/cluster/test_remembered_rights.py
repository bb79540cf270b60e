"""What is remembered of ServiceAccounts' rights while roles and bindings of a real API server are written."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually

from seconder.admission.lookups import Account, FirstRight, Right
from seconder.client.access import Access
from seconder.client.api import Api
from seconder.client.client_config import load
from seconder.client.clock import steady
from seconder.client.grants import Grants
from seconder.client.resolver import within
from seconder.client.rights import SECONDS, Rights

_RBAC = "rbac.authorization.k8s.io"
_READS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
_DELETES = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]}
_ELSEWHERE = "default"


class _Counting(Api):
    """Counts the questions to the authorizer."""

    reviews = 0

    def create(self, path: str, document: Any, *, timeout: float = 10.0, **query: Any) -> Any:
        """See Api."""
        self.reviews += 1
        return super().create(path, document, timeout=timeout, **query)


class Remembered:
    """What the webhook remembers, with a clock of its own, of an account in the test's namespace and one elsewhere."""

    def __init__(self, cluster: Cluster, pool: ThreadPoolExecutor) -> None:
        self.cluster = cluster
        self.later = 0.0
        self.told = list[str | None]()
        self.numbers = itertools.count()
        self.api = _Counting(load(str(cluster.stack.admin_kubeconfig)), user_agent="test")
        self.grants = Grants(self.api, self._changed, lambda *_: None)
        # The test's clock goes on by minutes.
        self.rights = Rights(followed=self.grants.fresh, followed_life=86_400, clock=lambda: steady() + self.later)
        self.access = Access(self.api, pool, rights=self.rights)

    def _changed(self, namespace: str | None) -> None:
        self.rights.changed(namespace)
        self.told.append(namespace)

    def role(self, name: str, *rules: dict[str, Any], **metadata: Any) -> None:
        """Write a ClusterRole of the test's own."""
        named = {"name": f"{self.cluster.namespace}-{name}"} | metadata
        self.cluster.apply(_object("ClusterRole", named, rules=list(rules)))

    def bind(self, name: str, namespace: str) -> None:
        """Bind such a role to the account in a namespace."""
        role = f"{self.cluster.namespace}-{name}"
        metadata = {"name": role, "namespace": namespace}
        subjects = [{"kind": "ServiceAccount", "namespace": namespace, "name": "worker"}]
        named = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role}
        self.cluster.apply(_object("RoleBinding", metadata, roleRef=named, subjects=subjects))

    def seen(self) -> None:
        """Wait until what was written of ClusterRoles has been seen: one that is bound elsewhere is written last."""
        self.told.clear()
        self.role("last", _READS | {"resourceNames": [f"n{next(self.numbers)}"]})
        eventually(lambda: _ELSEWHERE in self.told, 10, "it is seen")

    def first(self, *namespaces: str) -> tuple[Right | None, int]:
        """Give the first right to end Deployments there when a minute is over, and how often that was asked."""
        self.later += SECONDS + 1
        before, found = self.api.reviews, None
        for place in namespaces or (self.cluster.namespace,):
            rights = tuple(Right(verb, "apps", "deployments", "", place) for verb in ("delete", "deletecollection"))
            found = found or self.access.first(FirstRight(Account(place, "worker"), rights), within())
        return found, self.api.reviews - before


def _object(kind: str, metadata: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, **fields}


@pytest.fixture
def remembered(cluster: Cluster) -> Iterator[Remembered]:
    """Nobody may end a Deployment, by a role that is bound in the test's namespace, one elsewhere, and one nowhere."""
    with ThreadPoolExecutor(2) as pool:
        made = Remembered(cluster, pool)
        for name in ("bound", "last", "unbound"):
            made.role(name, _READS)
        made.bind("bound", cluster.namespace)
        made.bind("last", _ELSEWHERE)
        made.grants.start()
        eventually(made.grants.fresh, 20, "all is listed")
        yield made
        made.grants.stop()
    cluster.objects.delete("rolebindings", f"{cluster.namespace}-last", _ELSEWHERE)
    for role in cluster.objects.all("clusterroles"):
        if (name := role["metadata"]["name"]).startswith(cluster.namespace):
            cluster.objects.delete("clusterroles", name)


def _asks_nothing_after(remembered: Remembered, *rules: dict[str, Any], name: str) -> None:
    """Write a role anew until nothing is asked after it: other programs may have written another meanwhile."""

    def nothing() -> bool:
        remembered.first()
        remembered.role(name, *rules, annotations={"n": str(next(remembered.numbers))})
        remembered.seen()
        return remembered.first() == (None, 0)

    eventually(nothing, 20, "nothing is asked")


def test_a_note_on_a_role_has_nothing_asked_again(remembered: Remembered) -> None:
    """Be it bound or not; and of one that is bound to nobody, its rules have not either."""
    _asks_nothing_after(remembered, _READS, name="bound")
    _asks_nothing_after(remembered, _READS, name="unbound")
    _asks_nothing_after(remembered, _READS, _DELETES, name="unbound")


def test_a_right_that_comes_is_found_where_it_counts(remembered: Remembered) -> None:
    """By the rules of a role that is bound, with no other namespace asked about; or by a binding."""
    here = remembered.cluster.namespace
    eventually(lambda: remembered.first(_ELSEWHERE, here) == (None, 0), 20, "all is remembered")
    remembered.role("bound", _READS, _DELETES)
    eventually(lambda: here in remembered.told, 10, "it is seen")
    found, _ = remembered.first(here)
    assert found == Right("delete", "apps", "deployments", "", here)
    remembered.role("unbound", _DELETES)
    remembered.bind("unbound", _ELSEWHERE)
    eventually(lambda: remembered.first(_ELSEWHERE)[0] is not None, 20, "it is found")


def test_rules_that_a_label_brings_to_a_role_are_found(remembered: Remembered) -> None:
    """The role that gathers them is written by Kubernetes' own controller."""
    here = remembered.cluster.namespace
    label = {f"gather.example/{remembered.cluster.namespace[-6:]}": "yes"}
    gathering = {"clusterRoleSelectors": [{"matchLabels": label}]}
    metadata = {"name": f"{here}-gathering"}
    remembered.cluster.apply(_object("ClusterRole", metadata, aggregationRule=gathering, rules=[]))
    remembered.bind("gathering", here)
    remembered.role("unbound", _DELETES)
    remembered.seen()
    eventually(lambda: remembered.first() == (None, 0), 20, "all is remembered")
    remembered.role("unbound", _DELETES, labels=label)
    eventually(lambda: remembered.first()[0] is not None, 20, "it is found")
