"""One pass brings everything to where it should be, whatever happened before.

Order matters: the webhook may look up what a policy names before the policy is in force, and a CA is trusted before
anything signed by it is served.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from seconder.admission.indirect import references, scaling, volumes
from seconder.admission.kinds import (
    AUTOSCALER,
    CLAIMS,
    MAKERS,
    POD,
    POD_RUNNERS,
    REVISION,
    SCALED,
    VOLUMES,
    made_workloads,
    makers,
)
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.api import constants
from seconder.api.in_force import standing as seen_in_force
from seconder.api.policy import Policy
from seconder.api.resources import NAMESPACES, PODS, REPLICA_SETS, SECRETS, ResolvedResource
from seconder.approvals import impact
from seconder.client import discovery
from seconder.client.api import Api, ApiError
from seconder.client.discovery import Catalogue
from seconder.operator import approver_status, certificates, in_force, indirect_deleters, webhook_configuration
from seconder.operator.certificates import Terms
from seconder.operator.configuration_keeper import ConfigurationKeeper, Kept
from seconder.operator.in_force import Standing
from seconder.operator.label_guard import LabelGuard
from seconder.operator.policy_status import Judged, judge
from seconder.operator.trial import REFUSED, Trial
from seconder.operator.webhook_configuration import Endpoint

CA_SECRET: Final = "seconder-ca"  # noqa: S105 - a name
LOOKUP_ROLE: Final = "seconder-webhook-lookups"
OBJECTS_ROLE: Final = "seconder-operator-objects"
PORTAL_ROLE: Final = "seconder-portal-objects"
RENEW: Final = "seconder.dev/renew"
"""Annotation on the CA's Secret; any new value asks for a new CA."""

_LATELY: Final = 40.0
"""Seconds for which a policy that was seen in force still counts as such while passes fail."""

_RENEWED: Final = "seconder.dev/renewed"
_ROLES: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
_NAMESPACES: Final = ResolvedResource(NAMESPACES, "v1", namespaced=False, custom=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the operator was set up.

    ``serving_secret``: where the certificate of reviews is. ``issues``: the operator makes it, by a CA of its own;
    otherwise somebody else does, with the CA as ``ca.crt`` beside it. ``copies``: approvals on change requests are
    copied to the objects. ``portal``: approvers read them there. ``labels`` and ``annotations``: of the webhook
    configuration, beside those it has anyway.
    """

    namespace: str
    installation: Installation
    endpoint: Endpoint
    terms: Terms
    serving_secret: str
    issues: bool = True
    copies: bool = False
    portal: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """What one pass found and did. ``again``: the seconds until the next pass is due; 0 where nothing waits for it.

    ``wanting``: the rights that the two programs lack and cannot be given.
    """

    judged: Sequence[Judged]
    verdicts: Sequence[in_force.Verdict]
    approvers: Sequence[approver_status.Judged]
    repaired: bool
    serving_expiry: datetime
    again: float = 0.0
    wanting: Sequence[str] = ()


class Reconciler:
    """Holds what is worth remembering between passes: the last good compilation and what was tried already."""

    def __init__(self, api: Api, settings: Settings, log: Callable[[str, str], None]) -> None:
        self._api = api
        self._settings = settings
        self._log = log
        self._trial = Trial(api, settings.installation, settings.endpoint, log)
        self._guard = LabelGuard(api, log)
        self._keeper = ConfigurationKeeper(
            api,
            settings.installation,
            self._guard,
            log,
            labels=settings.labels,
            annotations=settings.annotations,
        )
        self._standing = Standing()
        self._bundle = b""
        self._roles: dict[str, list[dict[str, Any]]] = {}
        self._unkept: dict[str, str] = {}

    def run(self, now: datetime) -> Report:
        """Do one pass. Raises ApiError; what was done up to then stays, and the next pass goes on from there."""
        return self._pass(now, leads=True)

    def restore(self) -> Kept:
        """Put the webhook configuration back, beside a pass that another thread may be doing. Raises ApiError."""
        try:
            return self._keeper.restore()
        except ApiError as error:
            if error.status not in REFUSED:
                raise
            # What was taken before may be refused by now. What is taken instead, the next pass finds out.
            return Kept()

    def stand_in(self, now: datetime) -> Report:
        """Do what is to be done while nobody leads: put the configuration right, and say on policies how it stands.

        Nothing else is written. Several may do so at once, and beside one that begins to lead: whatever is written was
        made from what was read after the version that it replaces. Raises ApiError, and Unusable where no CA to trust
        is known.
        """
        return self._pass(now, leads=False)

    def _pass(self, now: datetime, *, leads: bool) -> Report:
        try:
            return self._done(now, leads=leads)
        except (ApiError, certificates.Unusable) as error:
            self._tell(str(error), now, refused=isinstance(error, ApiError) and error.status in REFUSED)
            raise

    def _restore(self) -> bool:
        """Put back first what was in place. Returns whether the configuration had been changed or deleted."""
        repaired = self.restore().repaired
        for name, rules in self._roles.items():
            self._keep_role(name, rules)
        return repaired

    def _done(self, now: datetime, *, leads: bool) -> Report:
        if leads:
            repaired = self._restore()
        else:
            repaired = False
            self._keeper.look()
            self._guard.look()
        documents, _ = self._api.items(f"{constants.API_PATH}/protectionpolicies")
        served = discovery.catalogue(self._api)
        self._trial.serving(served)
        installed = self._settings.installation.aliases
        judged = [judge(document, served, self._trial.problem, installed) for document in documents]
        policies = [policy for result in judged for policy in result.policies]
        if leads:
            self._allow(policies, served)
        self._guard.keep(PolicyIndex(policies).known_tags, self._keeper.owners, time.monotonic(), now)

        if not self._settings.issues:
            expiry = self._use_given(judged)
        else:
            expiry = self._certify(judged, now) if leads else self._use_stored(judged, now)
        self._standing = replace(self._standing, led=leads)

        # Statuses come last: Ready means in force.
        unnamed = indirect_deleters.unprotected(served, policies)
        verdicts = [in_force.verdict(result, self._standing, self._settings.installation) for result in judged]
        for document, result, found in zip(documents, judged, verdicts, strict=True):
            status = indirect_deleters.status(result, document, unnamed)
            self._set_status("protectionpolicies", document, in_force.with_verdict(status, document, found, now), now)
        seen = self._approvers(now) if leads else []
        kept = self._standing.kept
        again = [seconds for seconds in (kept.again, self._guard.settles(time.monotonic())) if seconds > 0]
        wanting = [f"the ClusterRole {name} cannot be kept: {words}" for name, words in self._unkept.items()]
        return Report(judged, verdicts, seen, repaired or kept.repaired, expiry, min(again, default=0.0), wanting)

    def _tell(self, words: str, now: datetime, *, refused: bool) -> None:
        """Say on each policy that was not seen in force lately why it is not, as far as that can be said at all.

        On all at once where the API server has ``refused`` what is to stand there.
        """
        with contextlib.suppress(ApiError):
            documents, _ = self._api.items(f"{constants.API_PATH}/protectionpolicies")
            for document in documents:
                standing = seen_in_force(document, now.timestamp())
                lately = standing.seen is not None and standing.seen < _LATELY
                if standing.in_force and lately and not refused:
                    continue
                found = in_force.Verdict(document["metadata"]["name"], False, "NotWritten", words)
                status = in_force.with_verdict(document.get("status") or {}, document, found, now)
                self._set_status("protectionpolicies", document, status, now)

    def _put_in_force(self, judged: Sequence[Judged], bundle: bytes) -> None:
        """Have the API server ask about what policies name; what it does not take is left out. Raises ApiError."""
        kept, left_out = self._kept(judged, bundle)
        self._standing = Standing(kept, left_out, unasked=self._trial.unasked)

    def _kept(self, judged: Sequence[Judged], bundle: bytes) -> tuple[Kept, dict[str, str]]:
        policies = [policy for result in judged for policy in result.policies]
        compiled = self._compiled(policies, bundle)
        try:
            return self._keeper.keep(self._trial.prepare(compiled), policies), {}
        except ApiError as error:
            if error.status not in REFUSED:
                raise
            if self._trial.adapt(compiled):
                return self._kept(judged, bundle)
            # One policy never spoils another.
            left_out = {result.name: problem for result in judged if (problem := self._trial.problem(result.policies))}
            if not left_out:
                raise
        policies = [policy for result in judged if result.name not in left_out for policy in result.policies]
        return self._keeper.keep(self._trial.prepare(self._compiled(policies, bundle)), policies), left_out

    def _compiled(self, policies: Iterable[Policy], bundle: bytes) -> dict[str, Any]:
        settings = self._settings
        return webhook_configuration.configuration(
            policies, settings.installation, settings.endpoint, certificates.encoded(bundle)
        )

    def _use_given(self, judged: Sequence[Judged]) -> datetime:
        """Put the configuration in force with a certificate that somebody else makes. Returns the certificate's end."""
        given = certificates.given(self._secret(self._settings.serving_secret), self._settings.serving_secret)
        self._put_in_force(judged, given.bundle)
        return given.expires

    def _use_stored(self, judged: Sequence[Judged], now: datetime) -> datetime:
        """Put the configuration in force with the CA that an operator made when one led. Returns ``now``.

        One that somebody deletes meanwhile is remembered. Raises ApiError and Unusable.
        """
        stored = certificates.bundle(self._secret(CA_SECRET), self._secret(self._settings.serving_secret))
        self._bundle = stored or self._bundle
        if not self._bundle:
            raise certificates.Unusable(f"no Secret tells which CA to trust, and who leads makes {CA_SECRET}")
        self._put_in_force(judged, self._bundle)
        return now

    def _certify(self, judged: Sequence[Judged], now: datetime) -> datetime:
        """Put the configuration and the certificates in force, and take the next step of a rotation if one is due.

        Returns the end of the serving certificate.
        """
        authority, serving = self._secret(CA_SECRET), self._secret(self._settings.serving_secret)
        notes = (authority or {}).get("metadata", {}).get("annotations") or {}
        asked = notes.get(RENEW, "")
        material = certificates.restored(authority, serving, self._settings.terms, now)
        following = certificates.advance(
            material, self._settings.terms, now, renew_ca=bool(asked) and asked != notes.get(_RENEWED)
        )
        if len(following.trusted) > len(material.trusted):
            self._log("certificates", "a new CA was made; the one before stays trusted for now")
            notes = notes | {_RENEWED: asked}
        renewed = {_RENEWED: notes[_RENEWED]} if notes.get(_RENEWED) else {}

        # First kept, so that it cannot be lost; then trusted by the API server; and only then served.
        self._write_secret(CA_SECRET, *certificates.authority_secret(following), renewed)
        self._put_in_force(judged, following.bundle)
        following = certificates.trusted(following, now)
        self._write_secret(CA_SECRET, *certificates.authority_secret(following), renewed)
        self._write_secret(self._settings.serving_secret, *certificates.serving_secret(following), {})
        return following.serving.x509.not_valid_after_utc

    def _secret(self, name: str) -> dict[str, Any] | None:
        try:
            secret: dict[str, Any] = self._api.get(f"{self._secrets}/{name}")
        except ApiError as error:
            if error.status != 404:
                raise
            return None
        return secret

    def _write_secret(self, name: str, data: dict[str, str], notes: dict[str, str], more: dict[str, str]) -> None:
        wanted = notes | more
        stored = self._secret(name)
        if stored is None:
            metadata = {"name": name, "annotations": wanted, "labels": dict(webhook_configuration.LABELS)}
            document = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata}
            self._api.create(self._secrets, document | {"data": data})
            return
        before = stored["metadata"].get("annotations") or {}
        after = {key: value for key, value in before.items() if key not in certificates.NOTES} | wanted
        if stored.get("data") != data or before != after:
            stored["metadata"]["annotations"] = after
            self._api.replace(f"{self._secrets}/{name}", stored | {"data": data})

    @property
    def _secrets(self) -> str:
        return f"/api/v1/namespaces/{self._settings.namespace}/secrets"

    def _allow(self, policies: Sequence[Policy], served: Catalogue) -> None:
        """Let the programs do what the policies ask of them, and no more.

        The webhook lists what a namespace holds, reads what is scaled, follows who owns what, and looks for owners of
        whatever kind. The operator reads the objects of change requests, and where it copies approvals to them, it
        patches them. The portal reads them too, but never Secrets.
        """
        resolved = [resource for policy in policies for resource in policy.resolved.values()]
        inside = [*impact.counted(policies), *(resource for resource in resolved if resource.namespaced)]
        # What goes along is read, too: it may end others.
        index = PolicyIndex(policies)
        followed = _rules(index.followed, ["get", "list", "watch"])
        owning = discovery.owners(served)
        owners = _rules(owning, ["get"])
        # What a custom resource names may go with its definition, or with its namespace.
        owners += _rules([each for each in owning if each.custom and references.judged(each.resource)], ["list"])
        # Which claim a VolumeAttachment serves, its volume tells.
        claims = any(resource.resource == CLAIMS.resource for resource in resolved)
        owners += _rules([VOLUMES] if claims else [], ["get"])
        # What goes with a namespace, or with what goes in it.
        owners += _rules(volumes.held_by({resource.resource for resource in resolved}), ["get", "list"])
        # What would take a pod for its own, under a workload that a policy names.
        owners += _rules(made_workloads(resource.resource for resource in resolved), ["list"])
        # What else selects the pods of a workload, and which autoscaler scales that.
        if any(resource.resource in _SCALED for resource in resolved):
            owners += _rules([*(MAKERS[each] for each in SCALED), POD, AUTOSCALER], ["list"])
        owners += _rules(listed_for_pods(index), ["list"])
        # Served or not: RBAC is asked before the API server says that it does not know a kind.
        standing = (alias.resource for alias in self._settings.installation.aliases)
        aliases = _rules((ResolvedResource(each, "", namespaced=True, custom=True) for each in standing), ["list"])
        self._keep_role(LOOKUP_ROLE, _rules([*inside, *resolved], ["get", "list"]) + followed + owners + aliases)
        objects = [*resolved, _NAMESPACES]
        patched = _rules(objects, ["patch"]) if self._settings.copies else []
        self._keep_role(OBJECTS_ROLE, _rules([*inside, *objects], ["get", "list"]) + patched)
        if self._settings.portal:
            shown = (resource for resource in (*inside, *objects) if resource.resource != SECRETS)
            self._keep_role(PORTAL_ROLE, _rules(shown, ["get", "list"]))

    def _keep_role(self, name: str, rules: list[dict[str, Any]]) -> None:
        self._roles[name] = rules
        path = f"{_ROLES}/{name}"
        try:
            role = self._api.find(path)
            if role is None:
                # By a PUT: RBAC limits no POST to a name. Owned, so that none made amid an uninstallation stays behind.
                owners = self._keeper.owners
                metadata = {"name": name, "labels": dict(webhook_configuration.LABELS), "ownerReferences": owners}
                kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
                self._api.replace(path, kind | {"metadata": metadata, "rules": rules})
                self._log("rights", f"the ClusterRole {name} was deleted by somebody, and was put back")
            elif role.get("rules") != rules:
                self._api.replace(path, role | {"rules": rules})
        except ApiError as error:
            # Without it deletions of namespaces are refused for want of an answer; the policies must be in force still.
            self._unkept[name] = str(error)
            self._log("rights", f"the ClusterRole {name} cannot be kept: {error}")
        else:
            self._unkept.pop(name, None)

    def _approvers(self, now: datetime) -> list[approver_status.Judged]:
        documents, authorities = (
            self._api.items(f"{constants.API_PATH}/{plural}")[0] for plural in constants.WHO_APPROVES
        )
        judged = approver_status.judge(documents, authorities)
        for document, approver in zip(documents, judged.approvers, strict=True):
            self._set_status("approvers", document, approver.status, now)
        for document, status in zip(authorities, judged.authorities, strict=True):
            self._set_status("approverauthorities", document, status, now)
        return judged.approvers

    def _set_status(self, plural: str, document: dict[str, Any], status: dict[str, Any], now: datetime) -> None:
        if not in_force.due(document, status, now):
            return
        name = document["metadata"]["name"]
        try:
            self._api.replace(f"{constants.API_PATH}/{plural}/{name}/status", document | {"status": status})
        except ApiError as error:
            # Changed or deleted meanwhile: that change has woken the next pass already.
            if error.status not in {404, 409}:
                raise


def listed_for_pods(policies: PolicyIndex) -> Sequence[ResolvedResource]:
    """What is listed to tell which pods end, and what takes them, or what else some workload lets go of.

    Where policies protect what pods hold (``of_pods``), what runs them, or what that makes. Elsewhere which ReplicaSets
    a paused Deployment would start.
    """
    matters = policies.pods_hold or not _LET_GO.isdisjoint(policies.followed_resources)
    return [POD, REVISION, *makers({PODS})] if matters else [MAKERS[REPLICA_SETS]]


_SCALED: Final = frozenset({*SCALED, *scaling.SIZERS})
_LET_GO: Final = POD_RUNNERS | {REVISION.resource}


def _rules(resources: Iterable[ResolvedResource], verbs: list[str]) -> list[dict[str, Any]]:
    groups: dict[str, set[str]] = {}
    for resolved in resources:
        groups.setdefault(resolved.resource.group, set()).add(resolved.resource.resource)
    return [{"apiGroups": [g], "resources": sorted(plurals), "verbs": verbs} for g, plurals in sorted(groups.items())]
