"""Follows what every judgement rests on: policies, who may approve, and which cluster this is."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from seconder.admission.policy_index import PolicyIndex
from seconder.api import constants, policy_documents
from seconder.api.policy import Policy
from seconder.approvals import approver_documents
from seconder.approvals.certificates import authority_documents
from seconder.approvals.certificates.authority import Authority
from seconder.approvals.registry import Approver, Registry
from seconder.client.api import Api, ApiError, Fenced
from seconder.client.watch import Watch

_RETRY_SECONDS: Final = 0.5


def audience(api: Api, cluster_id: str = "") -> str:
    """The cluster's ``aud`` claim: the uid of kube-system, with a configured cluster id appended.

    Raises ApiError.
    """
    uid = api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    return f"urn:uuid:{uid}:{cluster_id}" if cluster_id else f"urn:uuid:{uid}"


class Taker(Protocol):
    """Is told of each change, in the thread that saw it."""

    def take_policies(self, index: PolicyIndex) -> None:
        """Take all policies."""

    def take_registry(self, registry: Registry) -> None:
        """Take all approvers and authorities. Not called before both have been loaded once."""

    def take_audience(self, found: str) -> None:
        """Take the ``aud`` claim; it never changes."""


class PolicyWatches:
    """The watches of policies, Approvers and ApproverAuthorities, and the search for the cluster's identity."""

    def __init__(self, api: Api, failed: Callable[[str, Exception], None], taker: Taker, *, cluster_id: str) -> None:
        self._api = api
        self._failed = failed
        self._taker = taker
        self._cluster_id = cluster_id
        self._lock = threading.Lock()
        self._approvers: Sequence[Approver] | None = None
        self._authorities: Sequence[Authority] | None = None
        self._identified = False
        self._stopping = threading.Event()
        self.watches: Mapping[str, Watch[Any]] = {
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
        """By what they follow, in words."""

    def start(self) -> None:
        """Begin to load and follow. Returns at once."""
        for watch in self.watches.values():
            watch.start()
        threading.Thread(target=self._identify, name="cluster identity", daemon=True).start()

    def stop(self) -> None:
        """Let the watches end."""
        self._stopping.set()
        for watch in self.watches.values():
            watch.stop()

    def unmet(self) -> list[str]:
        """List what is not loaded yet."""
        waiting = [f"{name} are not loaded" for name, watch in self.watches.items() if not watch.loaded]
        return waiting if self._identified else [*waiting, "the cluster's identity is not known"]

    def _take_policies(self, policies: Mapping[str, list[Policy]]) -> None:
        self._taker.take_policies(PolicyIndex(policy for of_one in policies.values() for policy in of_one))

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
            self._taker.take_registry(Registry(self._approvers, self._authorities))

    def _identify(self) -> None:
        while not self._stopping.is_set():
            try:
                found = audience(self._api, self._cluster_id)
            except Fenced:
                return
            except ApiError as error:
                self._failed("kube-system", error)
                self._stopping.wait(_RETRY_SECONDS)
            else:
                self._taker.take_audience(found)
                self._identified = True
                return
