"""Who may approve, and by which keys: the registry that every verification starts from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from seconder.core.keys import PublicKey

DUPLICATE: Final = "Duplicate: this key stands in another Approver too, and counts in neither"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as an Approver lists it. ``not_after`` is in seconds since 1970.

    ``blob`` identifies the key even where it is unusable; ``public`` is None and ``problem`` says why then.
    """

    name: str
    blob: bytes
    public: PublicKey | None
    fingerprint: str
    not_after: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Approver:
    """A registered person. ``kubernetes_users`` are the user names under which this person, too, makes requests."""

    name: str
    principal: str
    kubernetes_users: frozenset[str]
    teams: frozenset[str] = frozenset()
    keys: tuple[KeyEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A key with the person behind it. ``problem`` is empty for a key that counts."""

    entry: KeyEntry
    approver: Approver
    problem: str


class Registry:
    """All approvers' keys, by their exact wire encoding. A look-up does not grow with their number."""

    def __init__(self, approvers: Iterable[Approver]) -> None:
        self.approvers: Final[Sequence[Approver]] = tuple(approvers)
        principals = Counter(each.principal for each in self.approvers)
        holders = Counter(blob for each in self.approvers for blob in {key.blob for key in each.keys if key.blob})
        self._keys: Final[dict[bytes, RegisteredKey]] = {}
        self.problems: Final[dict[tuple[str, str], str]] = {}
        for approver in self.approvers:
            for key in approver.keys:
                problem = _problem(approver, key, principals, holders)
                self.problems[approver.name, key.name] = problem
                if key.blob and _ends_first(key, self._keys.get(key.blob)):
                    self._keys[key.blob] = RegisteredKey(key, approver, problem)
        self.usable: Final = len({key.approver.name for key in self._keys.values() if not key.problem})
        """How many approvers have at least one key that counts, an end of its time left aside."""

    def find(self, blob: bytes) -> RegisteredKey | None:
        """Give the key of exactly this encoding, whether it counts or not."""
        return self._keys.get(blob)


def _problem(approver: Approver, key: KeyEntry, principals: Counter[str], holders: Counter[bytes]) -> str:
    if key.problem:
        return key.problem
    if not approver.principal or not approver.kubernetes_users:
        return "the Approver names no principal or no Kubernetes user, so that nobody can tell a peer"
    if principals[approver.principal] > 1:
        return f"Duplicate: principal {approver.principal} stands in another Approver too, and counts in neither"
    return DUPLICATE if holders[key.blob] > 1 else ""


def _ends_first(key: KeyEntry, listed: RegisteredKey | None) -> bool:
    # One Approver may list a key twice: whoever set an end to one of the entries meant the key.
    if listed is None or listed.entry.not_after is None:
        return True
    return key.not_after is not None and key.not_after < listed.entry.not_after
