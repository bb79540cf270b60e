"""One pass brings everything to where it should be, whatever happened before.

Order matters: the webhook may look up what a policy names before the policy is in force, and a CA is trusted before
anything signed by it is served.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.api import constants
from seconder.api.policy import Policy
from seconder.api.resources import NAMESPACES, ResolvedResource
from seconder.approvals import impact
from seconder.client import discovery
from seconder.client.api import Api, ApiError
from seconder.client.discovery import Catalogue
from seconder.operator import approver_status, certificates, indirect_deleters, webhook_configuration
from seconder.operator.certificates import Terms
from seconder.operator.conditions import changed
from seconder.operator.policy_status import Judged, Trial, configuration_path, judge
from seconder.operator.webhook_configuration import Endpoint

CA_SECRET: Final = "seconder-ca"  # noqa: S105 - a name
LOOKUP_ROLE: Final = "seconder-webhook-lookups"
OBJECTS_ROLE: Final = "seconder-operator-objects"
OWN_ROLE: Final = "seconder-operator"
"""Owns the webhook configuration: where Seconder is uninstalled, the garbage collector takes the configuration along,
whether or not an operator is alive."""

RENEW: Final = "seconder.dev/renew"
"""Annotation on the CA's Secret; any new value asks for a new CA."""

_RENEWED: Final = "seconder.dev/renewed"
_ROLES: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
_NAMESPACES: Final = ResolvedResource(NAMESPACES, "v1", namespaced=False, custom=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the operator was set up.

    ``serving_secret``: where the certificate of reviews is. ``issues``: the operator makes it, by a CA of its own;
    otherwise somebody else does, with the CA as ``ca.crt`` beside it. ``copies``: approvals on change requests are
    copied to the objects.
    """

    namespace: str
    installation: Installation
    endpoint: Endpoint
    terms: Terms
    serving_secret: str
    issues: bool = True
    copies: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What one pass found and did, for metrics and the log."""

    judged: list[Judged]
    approvers: list[approver_status.Judged]
    repaired: bool
    serving_expiry: datetime


class Reconciler:
    """Holds what is worth remembering between passes: the last good compilation and what was tried already."""

    def __init__(self, api: Api, settings: Settings, log: Callable[[str, str], None]) -> None:
        self._api = api
        self._settings = settings
        self._log = log
        self._trial = Trial(api, settings.installation, settings.endpoint)
        self._wanted: dict[str, Any] | None = None
        self._owner: list[dict[str, str]] = []

    def restore(self) -> bool:
        """Put the last compiled configuration back. Returns whether it had been changed or deleted. Raises ApiError."""
        return self._wanted is not None and self._apply(self._wanted)

    def run(self, now: datetime) -> Report:
        """Do one pass. Raises ApiError; what was done up to then stays, and the next pass goes on from there."""
        repaired = self.restore()
        served = discovery.catalogue(self._api)
        documents, _ = self._api.items(f"{constants.API_PATH}/protectionpolicies")
        judged = [judge(document, served, self._trial.problem) for document in documents]
        policies = [policy for result in judged for policy in result.policies]
        self._allow(policies, served)

        expiry = self._certify(policies, now) if self._settings.issues else self._use_given(policies)

        # Statuses come last: Ready means in force.
        unnamed = indirect_deleters.unprotected(served, policies)
        for document, result in zip(documents, judged, strict=True):
            self._set_status("protectionpolicies", document, indirect_deleters.status(result, document, unnamed))
        seen = self._approvers()
        return Report(judged, seen, repaired, expiry)

    def _put_in_force(self, policies: Iterable[Policy], bundle: bytes) -> None:
        settings = self._settings
        self._wanted = webhook_configuration.configuration(
            policies, settings.installation, settings.endpoint, certificates.encoded(bundle)
        )
        self._apply(self._wanted)

    def _apply(self, wanted: dict[str, Any]) -> bool:
        """Make the stored configuration equal to ``wanted``. Returns whether that took a change."""
        path = configuration_path(webhook_configuration.NAME)
        owner = self._find_owner()
        try:
            stored = self._api.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            metadata = wanted["metadata"] | {"ownerReferences": owner}
            self._api.create(configuration_path(), wanted | {"metadata": metadata})
            return True
        labels = stored["metadata"].get("labels") or {}
        labelled = webhook_configuration.LABELS.items() <= labels.items()
        # Any other owner, and the garbage collector takes the configuration away with it.
        owners = stored["metadata"].get("ownerReferences") or []
        compiled = stored.get("webhooks") == wanted["webhooks"] and labelled
        if compiled and owners == owner:
            return False
        # Replaced as a whole: a merge would keep entries and selectors that somebody slipped in.
        metadata = {
            "name": webhook_configuration.NAME,
            "resourceVersion": stored["metadata"]["resourceVersion"],
            "annotations": stored["metadata"].get("annotations") or {},
            "labels": labels | webhook_configuration.LABELS,
            "ownerReferences": owner,
        }
        try:
            self._api.replace(path, wanted | {"metadata": metadata})
        except ApiError as error:
            # With OwnerReferencesPermissionEnforcement it takes the right to delete; the guard itself does not wait.
            if error.status != 403 or owners == owner:
                raise
            self._log("rights", f"the owner of the webhook configuration cannot be put right: {error}")
            if compiled:
                return False
            self._api.replace(path, wanted | {"metadata": metadata | {"ownerReferences": owners}})
        return True

    def _find_owner(self) -> list[dict[str, str]]:
        """The ownerReferences of the configuration; none where Seconder was installed without its own role.

        A role that is gone stays the owner: what is put back during an uninstall goes as well.
        """
        try:
            role = self._api.metadata(f"{_ROLES}/{OWN_ROLE}")
        except ApiError as error:
            if error.status not in {403, 404}:
                raise
            return self._owner
        self._owner = [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "name": OWN_ROLE,
                "uid": role["metadata"]["uid"],
            }
        ]
        return self._owner

    def _use_given(self, policies: Iterable[Policy]) -> datetime:
        """Put the configuration in force with a certificate that somebody else makes. Returns the certificate's end."""
        given = certificates.given(self._secret(self._settings.serving_secret), self._settings.serving_secret)
        self._put_in_force(policies, given.bundle)
        return given.expires

    def _certify(self, policies: Iterable[Policy], now: datetime) -> datetime:
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
        self._put_in_force(policies, following.bundle)
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
        """Let the two programs do what the policies ask of them, and no more.

        The webhook lists what a namespace holds, reads what is scaled, follows who owns what, and looks for owners of
        whatever kind. The operator reads the objects of change requests, and where it copies approvals to them, it
        patches them.
        """
        resolved = [resource for policy in policies for resource in policy.resolved.values()]
        inside = [*impact.counted(policies), *(resource for resource in resolved if resource.namespaced)]
        followed = _rules(PolicyIndex(policies).followed, ["list", "watch"])
        owners = _rules(discovery.owners(served), ["get"])
        self._keep_role(LOOKUP_ROLE, _rules([*inside, *resolved], ["get", "list"]) + followed + owners)
        objects = [*resolved, _NAMESPACES]
        patched = _rules(objects, ["patch"]) if self._settings.copies else []
        self._keep_role(OBJECTS_ROLE, _rules([*inside, *objects], ["get", "list"]) + patched)

    def _keep_role(self, name: str, rules: list[dict[str, Any]]) -> None:
        path = f"{_ROLES}/{name}"
        try:
            role = self._api.get(path)
            if role.get("rules") != rules:
                self._api.replace(path, role | {"rules": rules})
        except ApiError as error:
            # Without it deletions of namespaces are refused for want of an answer; the policies must be in force still.
            self._log("rights", f"the ClusterRole {name} cannot be kept: {error}")

    def _approvers(self) -> list[approver_status.Judged]:
        documents, _ = self._api.items(f"{constants.API_PATH}/approvers")
        judged = approver_status.judge(documents)
        for document, approver in zip(documents, judged, strict=True):
            self._set_status("approvers", document, approver.status)
        return judged

    def _set_status(self, plural: str, document: dict[str, Any], status: dict[str, Any]) -> None:
        if not changed(document, status):
            return
        name = document["metadata"]["name"]
        try:
            self._api.replace(f"{constants.API_PATH}/{plural}/{name}/status", document | {"status": status})
        except ApiError as error:
            # Changed or deleted meanwhile: that change has woken the next pass already.
            if error.status not in {404, 409}:
                raise


def _rules(resources: Iterable[ResolvedResource], verbs: list[str]) -> list[dict[str, Any]]:
    groups: dict[str, set[str]] = {}
    for resolved in resources:
        groups.setdefault(resolved.resource.group, set()).add(resolved.resource.resource)
    return [{"apiGroups": [g], "resources": sorted(plurals), "verbs": verbs} for g, plurals in sorted(groups.items())]
