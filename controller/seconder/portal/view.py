"""What the portal mirrors of the cluster: who may approve, what policies require, and which cluster it is."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from seconder.admission.policy_index import PolicyIndex
from seconder.api import constants, policy_documents
from seconder.api.policy import Mode, Policy
from seconder.approvals import approver_documents
from seconder.approvals.certificates import authority_documents
from seconder.approvals.certificates.authority import Authority
from seconder.approvals.registry import Approver, Registry
from seconder.client.api import Api, ApiError
from seconder.client.cache import audience
from seconder.client.watch import Watch

_RETRY_SECONDS: Final = 0.5


class View:
    """Approvers, their authorities, policies, and the ``aud`` claim of this cluster; empty until they are loaded."""

    def __init__(self, api: Api, failed: Callable[[str, Exception], None], *, cluster_id: str = "") -> None:
        self.registry = Registry(())
        self._lock = threading.Lock()
        self.policies: Mapping[str, Policy] = {}
        self.audience = ""
        self._api = api
        self._failed = failed
        self._cluster_id = cluster_id
        self._stopping = threading.Event()
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
        }

    def start(self) -> None:
        """Begin to load and follow. Returns at once."""
        for watch in self._watches.values():
            watch.start()
        threading.Thread(target=self._find_audience, name="cluster identity", daemon=True).start()

    def stop(self) -> None:
        """Let the watches end."""
        self._stopping.set()
        for watch in self._watches.values():
            watch.stop()

    def unmet(self) -> list[str]:
        """List what is not loaded yet."""
        waiting = [f"{name} are not loaded" for name, watch in self._watches.items() if not watch.loaded]
        return waiting if self.audience else [*waiting, "the cluster's identity is not known"]

    def fresh(self) -> bool:
        """Whether it was proven true so lately that a key which was removed since would be known."""
        return not self.unmet() and all(watch.age() <= constants.FRESH_SECONDS for watch in self._watches.values())

    def _take_policies(self, policies: Mapping[str, list[Policy]]) -> None:
        index = PolicyIndex(policy for of_one in policies.values() for policy in of_one)
        self.policies = {policy.name: policy for policy in index.all if policy.mode is Mode.ENFORCE}

    def _take_approvers(self, approvers: Mapping[str, Approver]) -> None:
        with self._lock:
            self.registry = Registry(approvers.values(), self.registry.authorities)

    def _take_authorities(self, authorities: Mapping[str, Authority]) -> None:
        with self._lock:
            self.registry = Registry(self.registry.approvers, authorities.values())

    def _find_audience(self) -> None:
        while not self._stopping.is_set():
            try:
                self.audience = audience(self._api, self._cluster_id)
            except ApiError as error:
                self._failed("kube-system", error)
                self._stopping.wait(_RETRY_SECONDS)
            else:
                return
