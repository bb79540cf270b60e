"""Asks the API server what roles and ServiceAccounts may do, within a deadline."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, Final

import msgspec

from seconder.admission import rbac
from seconder.admission.lookups import (
    Account,
    FirstRight,
    ReadableTokens,
    Right,
    RoleRules,
    RunningPod,
    SecretTokens,
    TokenAccounts,
)
from seconder.admission.powers import READS
from seconder.admission.principal import service_account_caller
from seconder.admission.rbac import Rule
from seconder.api.resources import SECRETS
from seconder.api.type_reader import TypeReader
from seconder.client.api import Api, ApiError, segment
from seconder.client.objects import ACCOUNT_KEY, TOKENS_ALONE, TooLate, items, left, metadata_of
from seconder.client.rights import Rights

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AHEAD: Final = 2
"""How many rights a look-up is asking about, for each that is asked at once: no thread waits for its next one."""

_MOST_SECRETS: Final = 64
_MOST_ACCOUNTS: Final = 64
_MOST_TOKENS: Final = 256
"""Secrets that a pod names, ServiceAccounts in its namespace where one of those is not there, and Secrets there that
hold tokens, which its ServiceAccount may be allowed to read by name."""


class _Pod(msgspec.Struct):
    spec: msgspec.Raw


_pod: Final = msgspec.json.Decoder(_Pod)


class _Status(msgspec.Struct):
    allowed: bool


class _Answer(msgspec.Struct):
    status: _Status


_answer: Final = TypeReader(_Answer)


class Access:
    """The client of the API server's authorizer, safe to use from several threads.

    ``pool`` asks several questions side by side; of the authorizer, so many are asked beside these as ``at_once``
    says. ``rights`` remembers what a ServiceAccount may do.
    """

    def __init__(self, api: Api, pool: ThreadPoolExecutor, *, at_once: int = 8, rights: Rights | None = None) -> None:
        self._api = api
        self._pool = pool
        self._at_once = at_once
        # Hundreds for one look-up: other look-ups do not wait behind them.
        self._asking = ThreadPoolExecutor(at_once, thread_name_prefix="authorizer")
        self._rights = Rights() if rights is None else rights

    def rules(self, lookup: RoleRules, deadline: float) -> Sequence[Rule]:
        """Read what a role allows. Raises TooLate and ApiError, also for a role that is not there, but if told so."""
        role, name = lookup.role, segment(lookup.role.name)
        path = f"namespaces/{role.namespace}/roles/{name}" if role.namespace else f"clusterroles/{name}"
        try:
            return rbac.rules(self._api.get(f"/apis/{rbac.GROUP}/v1/{path}", timeout=left(deadline)))
        except ApiError as error:
            if lookup.none_if_gone and error.status == 404:
                return ()
            raise

    def pod(self, lookup: RunningPod, deadline: float) -> msgspec.Raw:
        """Read a pod's ``spec``. Raises ApiError, also for a pod that is not there, and TooLate."""
        path = f"/api/v1/namespaces/{lookup.namespace}/pods/{segment(lookup.pod)}"
        pod: _Pod = self._api.get(path, timeout=left(deadline), decode=_pod.decode)
        return pod.spec

    def tokens(self, lookup: SecretTokens, deadline: float) -> TokenAccounts:
        """Read whose tokens Secrets hold, of each its metadata alone. Raises ApiError and TooLate.

        One that may not be read is as one that is not there: an installation may keep Secrets from the webhook.
        """
        if len(lookup.secrets) > _MOST_SECRETS:
            raise TooLate(f"more than {_MOST_SECRETS} Secrets")
        place = f"/api/v1/namespaces/{segment(lookup.namespace)}"
        paths = [f"{place}/secrets/{segment(name)}" for name in lookup.secrets]
        read = list(self._pool.map(lambda path: self._secret(path, deadline), paths, timeout=left(deadline)))
        # The API server takes no Secret of the type without it, and OpenShift writes it on what holds a token, too.
        annotations = [metadata_of(each).annotations or {} for each in read if each is not None]
        held = frozenset(each[ACCOUNT_KEY] for each in annotations if ACCOUNT_KEY in each)
        return self._awaiting(place, deadline, held) if None in read else TokenAccounts(held)

    def readable(self, lookup: ReadableTokens, deadline: float) -> TokenAccounts:
        """Tell whose tokens a ServiceAccount may read in its namespace. Raises ApiError and TooLate.

        Of the Secrets there, those with tokens are listed, by their metadata alone; few namespaces have any.
        """
        account = lookup.account
        place = f"/api/v1/namespaces/{segment(account.namespace)}"
        try:
            listed = list(
                items(self._api, f"{place}/secrets", deadline, metadata_only=True, fieldSelector=TOKENS_ALONE)
            )
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            if not self._may_read(account, ("",), deadline):
                return TokenAccounts()
            found = self._awaiting(place, deadline)
            return found._replace(awaited=found.awaited - {account.name})
        whose = {each.name: (each.annotations or {}).get(ACCOUNT_KEY, "") for each in map(metadata_of, listed)}
        secrets = {name: other for name, other in whose.items() if other not in {"", account.name}}
        if not secrets or self._may_read(account, ("",), deadline):
            return TokenAccounts(frozenset(secrets.values()))
        if len(secrets) > _MOST_TOKENS:
            raise TooLate(f"more than {_MOST_TOKENS} Secrets")
        # Few may read some by their names alone.
        if not self._may_read(account, sorted(secrets), deadline):
            return TokenAccounts()
        return TokenAccounts(
            frozenset(other for name, other in secrets.items() if self._may_read(account, (name,), deadline))
        )

    def _may_read(self, account: Account, names: Sequence[str], deadline: float) -> bool:
        """Whether it may read one of these Secrets of its namespace, by name; all of them for an empty one."""
        rights = (Right(verb, *SECRETS, "", account.namespace, name) for name in names for verb in sorted(READS))
        return self.first(FirstRight(account, tuple(rights)), deadline) is not None

    def _secret(self, path: str, deadline: float) -> Any:
        try:
            return self._api.find(path, timeout=left(deadline), metadata=True)
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return None

    def _awaiting(self, place: str, deadline: float, held: frozenset[str] = frozenset()) -> TokenAccounts:
        """All ServiceAccounts of a namespace, beside those whose tokens are ``held``. Raises ApiError and TooLate."""
        names: set[str] = set()
        for each in items(self._api, f"{place}/serviceaccounts", deadline, metadata_only=True):
            names.add(each["metadata"]["name"])
            if len(names) > _MOST_ACCOUNTS:
                return TokenAccounts(held, crowded=True)
        return TokenAccounts(held, frozenset(names))

    def first(self, lookup: FirstRight, deadline: float) -> Right | None:
        """The first right that a ServiceAccount is known to have, by the API server's authorizer.

        What was answered before is not asked again while it counts, also where the look-up was too late in the end.
        Raises ApiError and TooLate.
        """
        has, unknown = self._rights.open(lookup.account, lookup.rights)
        return has or self._ask(lookup.account, unknown, deadline)

    def _ask(self, account: Account, rights: Sequence[Right], deadline: float) -> Right | None:
        answers: SimpleQueue[tuple[int, Future[bool], bool]] = SimpleQueue()
        rest = iter(enumerate(rights))
        enough = Event()

        def go_on() -> None:
            # Each answer has the next right asked about, behind what other look-ups ask: they take turns.
            while not enough.is_set() and (following := next(rest, None)) is not None:
                number, right = following
                future, own = self._asked(account, right, deadline)
                if not future.done():
                    future.add_done_callback(partial(answered, number, own))
                    return
                answers.put((number, future, own))

        def answered(number: int, own: bool, future: Future[bool]) -> None:
            answers.put((number, future, own))
            go_on()

        try:
            for _ in range(_AHEAD * self._at_once):
                go_on()
            has: dict[int, bool] = {}
            for number, right in enumerate(rights):
                while number not in has:
                    later, future, own = answers.get(timeout=left(deadline))
                    has[later] = self._has(account, rights[later], future, deadline, own=own)
                    if has[later]:
                        enough.set()
                if has.pop(number):
                    return right
        except Empty:
            raise TooLate("too late") from None
        finally:
            enough.set()
        return None

    def _asked(self, account: Account, right: Right, deadline: float) -> tuple[Future[bool], bool]:
        def review() -> bool:
            answer = self._api.create(_REVIEWS, access_review(account, right), timeout=left(deadline))
            return _answer.convert(answer).status.allowed

        return self._rights.asked(
            account, right, lambda: self._asking.submit(self._rights.answering, account, right, review)
        )

    def _has(self, account: Account, right: Right, future: Future[bool], deadline: float, *, own: bool) -> bool:
        while True:
            try:
                return future.result(left(deadline))
            except (ApiError, TooLate, msgspec.ValidationError):
                # Whoever asked for it may have been later than this one is.
                if own:
                    raise
            future, own = self._asked(account, right, deadline)


def access_review(account: Account, right: Right) -> dict[str, Any]:
    """The SubjectAccessReview (authorization.k8s.io/v1) that asks whether a ServiceAccount has a right."""
    caller = service_account_caller(account.namespace, account.name)
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": caller.username,
            "groups": sorted(caller.groups),
            "resourceAttributes": {key: value for key, value in right._asdict().items() if value},
        },
    }
