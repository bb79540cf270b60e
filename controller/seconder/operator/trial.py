"""Tries on the API server, by a dry run, what it takes: a policy by itself, and rules with wildcards or without."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission.policy_index import Installation
from seconder.api.policy import Policy
from seconder.api.resources import GroupResource
from seconder.api.text import clean
from seconder.client.api import Api, ApiError
from seconder.operator import enumeration, webhook_configuration
from seconder.operator.webhook_configuration import Endpoint

_INVALID: Final = frozenset({400, 413, 422})
REFUSED: Final = _INVALID | {403}
"""Answers that are about what was sent. A 403 may come from a policy of the platform as well as from RBAC."""

_MOST_TRIES: Final = 128
"""Dry runs to find out which kinds no rule may name: some 14 for each of them among a hundred kinds."""


class _RefusesMost(Exception):
    """More kinds are refused than are worth asking for."""


def configuration_path(name: str = "") -> str:
    """The API path of ValidatingWebhookConfigurations, or of one."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    return f"{path}/{name}" if name else path


def digest_of(configuration: Mapping[str, Any]) -> bytes:
    """What tells configurations apart by their entries."""
    return hashlib.sha256(msgspec.json.encode(configuration["webhooks"])).digest()


class Trial:
    """Server-side dry runs, remembered by what was tried. ``most``: how many are remembered.

    Knows whether this API server takes wildcards in rules, and which kinds it takes in none; ``prepare`` writes out the
    one without the other where it does not.
    """

    def __init__(
        self,
        api: Api,
        installation: Installation,
        endpoint: Endpoint,
        log: Callable[[str, str], None] = lambda *_: None,
        most: int = 4096,
    ) -> None:
        self._api = api
        self._installation = installation
        self._endpoint = endpoint
        self._log = log
        self._most = most
        self._known: dict[bytes, str] = {}
        self._served: frozenset[GroupResource] = frozenset()
        self._enumerates = False
        self._refused: frozenset[GroupResource] = frozenset()
        self._searched: frozenset[GroupResource] = frozenset()

    @property
    def unasked(self) -> Sequence[GroupResource]:
        """The kinds that no rule may name here, so that nobody is asked about them unless a policy names them."""
        return sorted(self._refused)

    def serving(self, served: Iterable[GroupResource]) -> None:
        """Take what the cluster serves now. What was served before stays asked about: it may come back."""
        self._served |= frozenset(served)

    def prepare(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """A configuration in the form that this API server takes."""
        if not self._enumerates:
            return configuration
        return enumeration.enumerated(configuration, self._served - self._refused)

    def problem(self, policies: Sequence[Policy]) -> str:
        """Why the API server would not take these policies; empty when it does.

        Raises ApiError when it could not be asked, or takes none.
        """
        compiled = self._compiled(policies)
        document = self.prepare(compiled)
        digest = digest_of(document)
        if digest in self._known:
            return self._known[digest]
        error = self._refusal(document)
        if error is not None and self.adapt(compiled):
            return self.problem(policies)
        if error is not None and error.status == 403:
            # Of these policies, where it takes a configuration without any. Not remembered: it may be allowed later.
            if not policies or self._refusal(self.prepare(self._compiled(()))) is not None:
                raise error
            return clean(str(error))
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[digest] = "" if error is None else clean(str(error))
        return self._known[digest]

    def adapt(self, compiled: dict[str, Any]) -> bool:
        """Whether a refused configuration takes another form from now on, which this API server may take.

        Its wildcards are written out, kind by kind, without the kinds that no rule may name. What a policy names by
        itself stays. Raises ApiError when that could not be asked.
        """
        if not enumeration.wildcards(compiled) or self._searched == self._served:
            return False
        base = self._compiled(())
        # Without any policy: it is one of them that is refused, or whatever is written.
        if self._refusal(self.prepare(base)) is None or self._refusal(enumeration.enumerated(base, ())) is not None:
            return False
        try:
            refused = frozenset(self._refused_of(base, sorted(self._served), [_MOST_TRIES]))
        except _RefusesMost:
            self._searched = self._served
            return False
        self._searched = self._served
        self._enumerates, self._refused = True, refused
        kinds = f", but for {', '.join(map(str, self.unasked))}: it takes no rules for these" if refused else ""
        self._log(
            "configuration", f"the API server takes no wildcards in rules; they are written out, kind by kind{kinds}"
        )
        return True

    def _refused_of(
        self, base: dict[str, Any], kinds: Sequence[GroupResource], tries: list[int]
    ) -> list[GroupResource]:
        """Those of some kinds that the API server takes in no rule, by halves. Raises ApiError and _RefusesMost."""
        tries[0] -= 1
        if tries[0] < 0:
            raise _RefusesMost
        if self._refusal(enumeration.enumerated(base, kinds)) is None:
            return []
        if len(kinds) == 1:
            return list(kinds)
        half = len(kinds) // 2
        return self._refused_of(base, kinds[:half], tries) + self._refused_of(base, kinds[half:], tries)

    def _compiled(self, policies: Sequence[Policy]) -> dict[str, Any]:
        return webhook_configuration.configuration(policies, self._installation, self._endpoint, ca_bundle="")

    def _refusal(self, document: Mapping[str, Any]) -> ApiError | None:
        """The API server's refusal of a configuration; None where it takes it. Raises ApiError for any other answer."""
        name = f"seconder-trial-{digest_of(document).hex()[:16]}"
        try:
            self._api.create(configuration_path(), dict(document) | {"metadata": {"name": name}}, dryRun="All")
        except ApiError as error:
            if error.status not in REFUSED:
                raise
            return error
        return None
