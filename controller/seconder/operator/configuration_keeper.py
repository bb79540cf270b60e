"""Keeps the stored webhook configuration as compiled, against whoever else writes to it, and tells how it stands.

What narrows what policies protect is put right, always. What narrows nothing is left alone, or two programs would write
for ever.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from seconder.admission.policy_index import Installation
from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.resources import NAMESPACES
from seconder.api.text import clean
from seconder.client.api import Api, ApiError
from seconder.operator import webhook_configuration
from seconder.operator.comparison import Comparison, Difference, Exclusion, compare
from seconder.operator.label_guard import LabelGuard
from seconder.operator.pace import DELETED, Pace
from seconder.operator.trial import REFUSED, configuration_path, digest_of

OWN_ROLE: Final = "seconder-operator"
"""Owns the webhook configuration: where Seconder is uninstalled, the garbage collector takes the configuration along,
whether or not an operator is alive."""

MANAGER: Final = "seconder-operator"
"""The field manager of the operator's own writes, by its user agent."""

SOMEBODY: Final = "somebody"
_GONE: Final = Difference("", "it is missing", narrows=True)
_ROLES: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
_NAMESPACES: Final = "/api/v1/namespaces"


@dataclass(frozen=True, slots=True)
class Kept:
    """How the stored configuration stands after a look, and after it was put right where it was time to.

    ``narrowed``: what is asked about less still. ``others``: what is otherwise and narrows nothing. ``excluded``: the
    namespaces that are left out, by the expression that does so. ``leaves_out``: something in them is protected.
    ``unguarded``: expressions that agents could make use of. ``writer``: who else changed it last. ``disputed``:
    somebody keeps changing it. ``again``: the seconds after which to look anew; 0 where nothing waits for it.
    """

    narrowed: Sequence[Difference] = ()
    others: Sequence[Difference] = ()
    leaves_out: bool = False
    excluded: Mapping[str, Exclusion] = field(default_factory=dict)
    unguarded: Sequence[Exclusion] = ()
    writer: str = ""
    disputed: bool = False
    repaired: bool = False
    again: float = 0.0


class ConfigurationKeeper:
    """Remembers what is wanted and what was put right. ``clock`` is monotonic, in seconds.

    Safe to use from several threads: one puts right what is changed, while the other works out what is wanted.
    """

    # More than seven parameters: what it writes, for whom it looks, and whom it tells.
    def __init__(
        self,
        api: Api,
        installation: Installation,
        guard: LabelGuard,
        log: Callable[[str, str], None],
        *,
        labels: Mapping[str, str] = {},
        annotations: Mapping[str, str] = {},
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._installation = installation
        self._guard = guard
        self._log = log
        self._labels = dict(labels) | webhook_configuration.LABELS
        self._annotations = dict(annotations)
        self._clock = clock
        self._lock = threading.RLock()
        self._pace = Pace()
        self._wanted: dict[str, Any] | None = None
        self._policies: Sequence[Policy] = ()
        self._confirmed = b""
        self._other = SOMEBODY
        self._owners: list[dict[str, str]] = []
        self._unchangeable: list[dict[str, str]] | None = None
        self._replaces: str | None = None

    @property
    def owners(self) -> list[dict[str, str]]:
        """The ownerReferences of what the operator makes, as last seen."""
        return self._owners

    def look(self) -> None:
        """Until the next look, replace nothing but what stands there now. Raises ApiError.

        For who does not lead: what is read after this is no older than what the replaced configuration was made from.
        """
        self._replaces = _version(self._api.find(configuration_path(webhook_configuration.NAME), metadata=True))

    def restore(self) -> Kept:
        """Put back the last wanted configuration that the API server has not refused. Raises ApiError."""
        with self._lock:
            return Kept() if self._wanted is None else self.keep(self._wanted, self._policies)

    def keep(self, wanted: dict[str, Any], policies: Sequence[Policy]) -> Kept:
        """Have the API server ask about what ``wanted`` asks about of what ``policies`` name.

        Raises ApiError; 409 where what stands there is not what was looked at.
        """
        with self._lock:
            before, self._wanted, self._policies = (self._wanted, self._policies), wanted, policies
            try:
                return self._kept(wanted)
            except ApiError as error:
                if error.status in REFUSED:
                    self._wanted, self._policies = before
                raise

    def _kept(self, wanted: dict[str, Any]) -> Kept:
        now, digest = self._clock(), digest_of(wanted)
        stored = self._api.find(configuration_path(webhook_configuration.NAME))
        if self._replaces is not None and _version(stored) != self._replaces:
            raise ApiError(409, "the webhook configuration was changed meanwhile")
        self._find_owner(stored)
        if stored is None:
            change, found, writer = DELETED, None, SOMEBODY
        else:
            change, writer = _change(stored), _writer(stored) or (self._other if self._pace.disputed(now) else SOMEBODY)
            found = self._look(wanted, stored, writer, now)
            if self._as_it_should_be(found, stored, ours=self._confirmed != digest):
                self._confirmed = digest
                return found
        ours = self._confirmed != digest
        wait = 0.0 if ours else self._pace.wait(change, now)
        if wait > 0:
            return replace(found or Kept([_GONE], writer=writer, disputed=True), again=wait)
        written = self._write(wanted, stored)
        again = self._look(wanted, written, writer, now)
        if ours:
            self._confirmed = digest
            return again
        # Nothing went unseen where no less was asked about.
        self._other = writer
        unseen = found is None or change == DELETED or bool(found.narrowed or found.leaves_out)
        self._pace.repaired(change, now, disputed=unseen)
        self._log("configuration", f"the webhook configuration was changed or deleted by {writer}, and was put back")
        return replace(again, repaired=True, writer=writer, **self._dispute(now))

    def _dispute(self, now: float) -> dict[str, Any]:
        return {"disputed": self._pace.disputed(now), "again": self._pace.settles(now)}

    def _look(self, wanted: Mapping[str, Any], stored: Mapping[str, Any], writer: str, now: float) -> Kept:
        found = compare(wanted["webhooks"], stored.get("webhooks") or [])
        self._guard.learn(exclusion.key for exclusion in found.exclusions)
        guarded = self._guard.guarded(now)
        excluded, refusing = self._excluded(found)
        kept = Kept(
            narrowed=found.narrowing,
            others=[difference for difference in found.differences if not difference.narrows],
            leaves_out=any(self._matters(name, name in refusing) for name in excluded),
            excluded={name: excluded[name] for name in sorted(excluded)},
            unguarded=[exclusion for exclusion in found.exclusions if exclusion.key not in guarded],
            writer=writer,
        )
        return replace(kept, **self._dispute(now))

    def _excluded(self, found: Comparison) -> tuple[dict[str, Exclusion], set[str]]:
        """The namespaces that some expression leaves out, and those left out where requests are refused."""
        excluded: dict[str, Exclusion] = {}
        refusing: set[str] = set()
        for exclusion, refuses in found.exclusions.items():
            pages = self._api.pages(_NAMESPACES, metadata_only=True, labelSelector=exclusion.selector)
            names = [item["metadata"]["name"] for items, _ in pages for item in items]
            excluded |= dict.fromkeys(names, exclusion)
            refusing |= set(names) if refuses else set()
        return excluded, refusing

    def _matters(self, namespace: str, refuses: bool) -> bool:
        """Whether something in a namespace is protected: Seconder itself, or what a policy names."""
        if refuses and namespace == self._installation.namespace:
            return True
        modes = {Mode.AUDIT, Mode.ENFORCE} if refuses else {Mode.AUDIT}
        return any(covers(policy, namespace, self._installation) for policy in self._policies if policy.mode in modes)

    def _as_it_should_be(self, found: Kept, stored: Mapping[str, Any], *, ours: bool) -> bool:
        """Whether nothing is to be written. ``ours``: what differs may come from what is wanted now."""
        metadata = stored["metadata"]
        labelled = self._labels.items() <= (metadata.get("labels") or {}).items()
        annotated = self._annotations.items() <= (metadata.get("annotations") or {}).items()
        # Any other owner, and the garbage collector takes the configuration away with it.
        owned = (metadata.get("ownerReferences") or []) in (self._owners, self._unchangeable)
        widened = [other for other in found.others if other.widens or ours]
        narrowed = found.narrowed or widened or found.leaves_out or found.unguarded
        # It goes once nothing holds it any more; and what is held by somebody would stay behind an uninstallation.
        lasts = "deletionTimestamp" not in metadata and not metadata.get("finalizers")
        return not narrowed and labelled and annotated and owned and lasts

    def _write(self, wanted: dict[str, Any], stored: Mapping[str, Any] | None) -> dict[str, Any]:
        """Create the configuration, or replace the stored one. Returns it as stored then. Raises ApiError."""
        metadata = {
            "name": webhook_configuration.NAME,
            "labels": self._labels,
            "annotations": self._annotations,
            "ownerReferences": self._owners,
        }
        written: dict[str, Any]
        if stored is None:
            written = self._api.create(configuration_path(), wanted | {"metadata": metadata})
            return written
        # Replaced as a whole: a merge would keep entries and selectors that somebody slipped in.
        before = stored["metadata"]
        metadata["resourceVersion"] = before["resourceVersion"]
        metadata["annotations"] = (before.get("annotations") or {}) | self._annotations
        metadata["labels"] = (before.get("labels") or {}) | self._labels
        path, owners = configuration_path(webhook_configuration.NAME), before.get("ownerReferences") or []
        if "deletionTimestamp" in before:
            # The API server asks on until its finalizers are gone. Whoever holds it by them does not say when that is.
            self._api.replace(path, wanted | {"metadata": metadata | {"ownerReferences": owners}})
            return self._write(wanted, None)
        try:
            written = self._api.replace(path, wanted | {"metadata": metadata})
        except ApiError as error:
            # With OwnerReferencesPermissionEnforcement it takes the right to delete; the guard itself does not wait.
            if error.status != 403 or owners == self._owners:
                raise
            written = self._api.replace(path, wanted | {"metadata": metadata | {"ownerReferences": owners}})
            self._unchangeable = owners
            self._log("rights", f"the owner of the webhook configuration cannot be put right: {error}")
        return written

    def _find_owner(self, stored: Mapping[str, Any] | None) -> None:
        """Find the ownerReferences: none where Seconder was installed without its own role.

        A role that is gone stays the owner: what is put back during an uninstall goes as well. So does one that this
        operator never saw, since another led before.
        """
        try:
            role = self._api.metadata(f"{_ROLES}/{OWN_ROLE}")
        except ApiError as error:
            if error.status not in {403, 404}:
                raise
            if stored is not None and not self._owners:
                self._owners = stored["metadata"].get("ownerReferences") or []
            return
        self._owners = [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "name": OWN_ROLE,
                "uid": role["metadata"]["uid"],
            }
        ]


def covers(policy: Policy, namespace: str, installation: Installation) -> bool:
    """Whether a policy may protect something in a namespace, or the namespace itself."""
    if policy.places and namespace not in policy.places:
        return False
    if policy.subjects is Subjects.EVERYONE and namespace in {"kube-system", installation.namespace}:
        return False
    inside = any(resolved.namespaced for resolved in policy.resolved.values())
    return inside or not policy.resolution_current or NAMESPACES in policy.resolved


def _version(stored: Mapping[str, Any] | None) -> str:
    """Tells what stands there from what stood there before; empty where nothing does."""
    return "" if stored is None else str(stored["metadata"]["resourceVersion"])


def _change(stored: Mapping[str, Any]) -> bytes:
    """What tells changes apart, for their pace."""
    if "deletionTimestamp" in stored["metadata"]:
        return DELETED
    held = stored["metadata"].get("finalizers") or []
    return digest_of({"webhooks": [*(stored.get("webhooks") or []), *held]})


def _writer(stored: Mapping[str, Any]) -> str:
    """The field manager, other than the operator, that changed the entries last; empty where all are the operator's."""
    others = [
        (entry.get("time", ""), entry["manager"])
        for entry in stored["metadata"].get("managedFields") or ()
        if entry.get("manager") != MANAGER and "f:webhooks" in (entry.get("fieldsV1") or {})
    ]
    return clean(max(others)[1]) if others else ""
