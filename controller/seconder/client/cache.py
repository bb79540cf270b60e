"""The ClusterState that decisions rest on, mirrored from the API server and proven fresh."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seconder.admission import principal, service_accounts
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.service_accounts import Account
from seconder.admission.state import ClusterState
from seconder.api import constants
from seconder.approvals.registry import Registry
from seconder.client.api import Api
from seconder.client.clock import steady
from seconder.client.namespace_labels import Labels, NamespaceLabels
from seconder.client.policy_watches import PolicyWatches
from seconder.client.watch import Watch


class Cache:
    """Mirrors policies, approvers, authorities, and agents' operators and ends of tokens, all as one ClusterState.

    A ClusterState is replaced as a whole and never changed, so that a decision sees one moment only.
    """

    def __init__(
        self,
        api: Api,
        installation: Installation,
        failed: Callable[[str, Exception], None],
        *,
        cluster_id: str = "",
        on_policies: Callable[[PolicyIndex], None] = lambda _: None,
    ) -> None:
        """``on_policies`` is told of every change of policies, before they are part of a ClusterState."""
        self._installation = installation
        self._on_policies = on_policies
        self._lock = threading.Lock()
        self._policies: PolicyIndex | None = None
        self._registry: Registry | None = None
        self._operators: Mapping[str, str] | None = None
        self._token_ends: Mapping[str, float] = {}
        self._labels: Labels = {}
        self._audience = ""
        self.state: ClusterState | None = None
        """None until everything has been loaded once."""
        self._following = PolicyWatches(api, failed, self, cluster_id=cluster_id)
        self._selecting = NamespaceLabels(api, failed, self._take_labels)
        self._accounts = Watch(
            api, "/api/v1/serviceaccounts", service_accounts.account, self._take_accounts, failed, metadata_only=True
        )
        self._watches: Sequence[Watch[Any]] = (*self._following.watches.values(), self._accounts)
        self._proving: Sequence[Watch[Any]] = self._watches
        """All that the state is made from: these, and the labels of namespaces while some policy selects by them."""

    def start(self) -> None:
        """Begin to load and follow. Returns at once."""
        self._following.start()
        self._accounts.start()

    def stop(self) -> None:
        """Let the watches end."""
        self._following.stop()
        self._selecting.stop()
        self._accounts.stop()

    def age(self) -> float:
        """The seconds since all of it was last proven to be true; infinite until everything was loaded."""
        return max([watch.age() for watch in self._proving])

    def fresh(self) -> bool:
        """Whether every copy was proven recently enough for approvals to count."""
        # Asked by each review that lets something through, and so without a call for each watch.
        now = steady()
        for watch in self._proving:  # noqa: SIM110
            if not now - watch.proven <= constants.FRESH_SECONDS:
                return False
        return True

    def unmet(self) -> list[str]:
        """List what is not loaded yet."""
        waiting = self._following.unmet()
        if not self._accounts.loaded:
            waiting.append("agents' operators are not loaded")
        if not self._selecting.loaded:
            waiting.append("labels of namespaces are not loaded")
        return waiting or ([] if self.state else ["the cache is not built"])

    def take_policies(self, index: PolicyIndex) -> None:
        """Take all policies."""
        self._on_policies(index)
        with self._lock:
            self._policies = index
            if self._selecting.follow(index.selecting_keys):
                # They tell nothing of what is selected by now: until they do, it is not known.
                self._labels = {}
                self._proving = (*self._watches, *self._selecting.watches)
            self._publish()

    def take_registry(self, registry: Registry) -> None:
        """Take all approvers and authorities."""
        with self._lock:
            self._registry = registry
            self._publish()

    def take_audience(self, found: str) -> None:
        """Take the ``aud`` claim."""
        with self._lock:
            self._audience = found
            self._publish()

    def _take_accounts(self, accounts: Mapping[str, Account]) -> None:
        by_user = {principal.service_account_user(*key.split("/", 1)): account for key, account in accounts.items()}
        operators = {user: account.operator for user, account in by_user.items() if account.operator is not None}
        token_ends = {user: account.token_end for user, account in by_user.items() if account.token_end is not None}
        with self._lock:
            self._operators, self._token_ends = operators, token_ends
            self._publish()

    def _take_labels(self, labels: Labels) -> None:
        with self._lock:
            self._labels = labels
            self._publish()

    def _publish(self) -> None:
        if self._policies is None or self._registry is None or self._operators is None or not self._audience:
            return
        self.state = ClusterState(
            self._policies,
            self._registry,
            self._operators,
            self._audience,
            self._installation,
            self._token_ends,
            self._labels,
        )
