"""What the portal mirrors of the cluster: who may approve, what policies require, and which cluster it is."""

from collections.abc import Callable, Mapping

from seconder.admission.policy_index import PolicyIndex
from seconder.api import constants
from seconder.api.policy import Mode, Policy
from seconder.approvals.registry import Registry
from seconder.client.api import Api
from seconder.client.policy_watches import PolicyWatches


class View:
    """Approvers, their authorities, policies, and the ``aud`` claim of this cluster; empty until they are loaded."""

    def __init__(self, api: Api, failed: Callable[[str, Exception], None], *, cluster_id: str = "") -> None:
        self.registry = Registry(())
        self.policies: Mapping[str, Policy] = {}
        self.audience = ""
        self._following = PolicyWatches(api, failed, self, cluster_id=cluster_id)

    def start(self) -> None:
        """Begin to load and follow. Returns at once."""
        self._following.start()

    def stop(self) -> None:
        """Let the watches end."""
        self._following.stop()

    def unmet(self) -> list[str]:
        """List what is not loaded yet."""
        return self._following.unmet()

    def fresh(self) -> bool:
        """Whether it was proven true so lately that a key which was removed since would be known."""
        watches = self._following.watches.values()
        return not self.unmet() and all(watch.age() <= constants.FRESH_SECONDS for watch in watches)

    def take_policies(self, index: PolicyIndex) -> None:
        """Take all policies, of which those in force are shown."""
        self.policies = {policy.name: policy for policy in index.all if policy.mode is Mode.ENFORCE}

    def take_registry(self, registry: Registry) -> None:
        """Take all approvers and authorities."""
        self.registry = registry

    def take_audience(self, found: str) -> None:
        """Take the ``aud`` claim."""
        self.audience = found
