"""The ClusterState that decisions rest on, mirrored from the API server and proven fresh."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from seconder.admission import principal, service_accounts
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.service_accounts import Account
from seconder.admission.state import ClusterState
from seconder.api import constants, policy_documents
from seconder.api.policy import Policy
from seconder.approvals import approver_documents
from seconder.approvals.certificates import authority_documents
from seconder.approvals.certificates.authority import Authority
from seconder.approvals.registry import Approver, Registry
from seconder.client.api import Api, ApiError, Fenced
from seconder.client.namespace_labels import Labels, NamespaceLabels
from seconder.client.watch import Watch

_RETRY_SECONDS: Final = 0.5


def audience(api: Api, cluster_id: str = "") -> str:
    """The cluster's ``aud`` claim: the uid of kube-system, with a configured cluster id appended.

    Raises ApiError.
    """
    uid = api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    return f"urn:uuid:{uid}:{cluster_id}" if cluster_id else f"urn:uuid:{uid}"


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
        self._api = api
        self._installation = installation
        self._failed = failed
        self._cluster_id = cluster_id
        self._on_policies = on_policies
        self._lock = threading.Lock()
        self._policies: PolicyIndex | None = None
        self._approvers: Sequence[Approver] | None = None
        self._authorities: Sequence[Authority] | None = None
        self._registry: Registry | None = None
        self._operators: Mapping[str, str] | None = None
        self._token_ends: Mapping[str, float] = {}
        self._labels: Labels = {}
        self._following = NamespaceLabels(api, failed, self._take_labels)
        self._audience = ""
        self._stopping = threading.Event()
        self.state: ClusterState | None = None
        """None until everything has been loaded once."""
        self._watches: dict[str, Watch[Any]] = {
            "policies": Watch(
                api, f"{constants.API_PATH}/protectionpolicies", policy_documents.policies, self._take_policies, failed
            ),
            "approvers": Watch(
                api, f"{constants.API_PATH}/approvers", approver_documents.approver, self._take_approvers, failed
            ),
            "approver authorities": Watch(
                api,
                f"{constants.API_PATH}/approverauthorities",
                authority_documents.authority,
                self._take_authorities,
                failed,
            ),
            "agents' operators": Watch(
                api,
                "/api/v1/serviceaccounts",
                service_accounts.account,
                self._take_accounts,
                failed,
                metadata_only=True,
            ),
        }

        self._proving: tuple[Watch[Any], ...] = tuple(self._watches.values())
        """All that the state is made from: these, and the labels of namespaces while some policy selects by them."""

    def start(self) -> None:
        """Begin to load and follow. Returns at once."""
        for watch in self._watches.values():
            watch.start()
        threading.Thread(target=self._find_audience, name="cluster identity", daemon=True).start()

    def stop(self) -> None:
        """Let the watches end."""
        self._stopping.set()
        self._following.stop()
        for watch in self._watches.values():
            watch.stop()

    def age(self) -> float:
        """The seconds since all of it was last proven to be true; infinite until everything was loaded."""
        return max([watch.age() for watch in self._proving])

    def fresh(self) -> bool:
        """Whether every watch has given a sign of life recently enough for approvals to count."""
        # Asked by each review that lets something through, and so without a call for each watch.
        now = time.monotonic()
        for watch in self._proving:  # noqa: SIM110
            if not now - watch.proven <= constants.FRESH_SECONDS:
                return False
        return True

    def unmet(self) -> list[str]:
        """List what is not loaded yet."""
        waiting = [f"{name} are not loaded" for name, watch in self._watches.items() if not watch.loaded]
        if not self._following.loaded:
            waiting.append("labels of namespaces are not loaded")
        if not self._audience:
            waiting.append("the cluster's identity is not known")
        return waiting or ([] if self.state else ["the cache is not built"])

    def _find_audience(self) -> None:
        while not self._stopping.is_set():
            try:
                self._audience = audience(self._api, self._cluster_id)
            except Fenced:
                return
            except ApiError as error:
                self._failed("kube-system", error)
                self._stopping.wait(_RETRY_SECONDS)
            else:
                with self._lock:
                    self._publish()
                return

    def _take_policies(self, policies: Mapping[str, list[Policy]]) -> None:
        index = PolicyIndex(policy for of_one in policies.values() for policy in of_one)
        self._on_policies(index)
        with self._lock:
            self._policies = index
            if self._following.follow(index.selecting_keys):
                # They tell nothing of what is selected by now: until they do, it is not known.
                self._labels = {}
                self._proving = (*self._watches.values(), *self._following.watches)
            self._publish()

    def _take_approvers(self, approvers: Mapping[str, Approver]) -> None:
        # What a watch hands over is its own, and goes on changing.
        with self._lock:
            self._approvers = tuple(approvers.values())
            self._register()

    def _take_authorities(self, authorities: Mapping[str, Authority]) -> None:
        with self._lock:
            self._authorities = tuple(authorities.values())
            self._register()

    def _register(self) -> None:
        if self._approvers is not None and self._authorities is not None:
            self._registry = Registry(self._approvers, self._authorities)
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
