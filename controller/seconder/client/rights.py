"""Asks the API server what roles and ServiceAccounts may do, within bounds."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Lock
from typing import Final, TypeVar
from urllib.parse import quote

from msgspec import ValidationError

from seconder.admission import pod_templates, rbac_documents
from seconder.admission.borrowing import Account, Borrowed, Right
from seconder.admission.rbac import GROUP, RoleRef, Rule
from seconder.client import access_reviews
from seconder.client.api import Api, ApiError
from seconder.client.lookup import LookupFailed

T = TypeVar("T")

_MOST: Final = 1024
"""ServiceAccounts of which the answer is remembered."""


class Rights:
    """Safe to use from several threads.

    ``seconds`` bounds one call as a whole, ``at_once`` how many run side by side, ``remembered``, in seconds, how long
    what a ServiceAccount may do is not asked again.
    """

    def __init__(self, api: Api, *, seconds: float = 5.0, at_once: int = 4, remembered: float = 60.0) -> None:
        self._api = api
        self._seconds = seconds
        self._remembered = remembered
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="rights")
        self._places = BoundedSemaphore(at_once)
        self._lock = Lock()
        self._answers: OrderedDict[tuple[Account, Sequence[Right]], tuple[float, Right | None]] = OrderedDict()

    def rules(self, role: RoleRef) -> list[Rule]:
        """Read what a role allows; nothing where it does not exist. Raises LookupFailed."""
        return self._within(lambda deadline: self._rules(role, deadline))

    def borrowed(self, asked: tuple[Account, Sequence[Right]]) -> Borrowed:
        """Find the first of some rights that a ServiceAccount has, in the eyes of the API server's authorizer.

        Raises LookupFailed, also for a pod that is not there.
        """
        return self._within(lambda deadline: self._borrowed(*asked, deadline))

    def _within(self, look: Callable[[float], T]) -> T:
        deadline = time.monotonic() + self._seconds
        if not self._places.acquire(timeout=self._seconds):
            raise LookupFailed("too many look-ups at once")
        try:
            return look(deadline)
        except (ApiError, TimeoutError, ValidationError) as error:
            raise LookupFailed(str(error) or "too late") from error
        finally:
            self._places.release()

    def _rules(self, role: RoleRef, deadline: float) -> list[Rule]:
        name = _segment(role.name)
        path = f"namespaces/{role.namespace}/roles/{name}" if role.namespace else f"clusterroles/{name}"
        try:
            return rbac_documents.rules(self._api.get(f"/apis/{GROUP}/v1/{path}", timeout=_left(deadline)))
        except ApiError as error:
            if error.status != 404:
                raise
            return []

    def _borrowed(self, account: Account, rights: Sequence[Right], deadline: float) -> Borrowed:
        if not account.name:
            path = f"/api/v1/namespaces/{account.namespace}/pods/{_segment(account.pod)}"
            found = self._api.get(path, timeout=_left(deadline))
            account = Account(account.namespace, pod_templates.account_of(found))
        with self._lock:
            until, right = self._answers.get((account, rights), (0.0, None))
        if until <= time.monotonic():
            right = self._first(account, rights, deadline)
            self._remember(account, rights, right)
        return Borrowed(account, right)

    def _remember(self, account: Account, rights: Sequence[Right], right: Right | None) -> None:
        with self._lock:
            self._answers[account, rights] = (time.monotonic() + self._remembered, right)
            while len(self._answers) > _MOST:
                self._answers.popitem(last=False)

    def _first(self, account: Account, rights: Sequence[Right], deadline: float) -> Right | None:
        futures = [self._pool.submit(self._has, account, right, deadline) for right in rights]
        try:
            for right, future in zip(rights, futures, strict=True):
                if future.result(_left(deadline)):
                    return right
        finally:
            for future in futures:
                future.cancel()
        return None

    def _has(self, account: Account, right: Right, deadline: float) -> bool:
        document = access_reviews.access_review(account, right)
        return access_reviews.allowed(self._api.create(access_reviews.PATH, document, timeout=_left(deadline)))


def _segment(name: str) -> str:
    """Give a name, which is the client's own words, as a part of a path. A role may be named what little else may."""
    if not name or name in {".", ".."} or not {"/", "%"}.isdisjoint(name):
        raise LookupFailed("no object can have that name")
    return quote(name, safe=":")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
