"""Who may approve, and by which keys: the registry that every verification starts from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from seconder.approvals.keys import PublicKey
from seconder.approvals.user_names import ANY, Identity, UserNames, by_extra, shared

DUPLICATE: Final = "Duplicate: this key stands in another Approver too, and counts in neither"
DUPLICATE_KID: Final = "Duplicate: this kid stands for another key too, and counts for neither"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as an Approver lists it. ``not_after`` is in seconds since 1970.

    ``blob`` identifies the key even where it is unusable; ``public`` is None and ``problem`` says why then. ``kid`` is
    the name of a JSON Web Key, and None for a key in SSH's notation.
    """

    name: str
    blob: bytes
    public: PublicKey | None
    fingerprint: str
    not_after: float | None = None
    problem: str = ""
    kid: str | None = None

    @property
    def format(self) -> str:
        """The envelope that this key signs: "ssh" or "jws"."""
        return "ssh" if self.kid is None else "jws"


@dataclass(frozen=True, slots=True)
class Approver:
    """A registered person.

    ``kubernetes_users`` are the user names under which this person, too, makes requests, ``*`` standing for any
    characters; ``identities`` tell the same of requests whose user name says nothing.
    """

    name: str
    principal: str
    kubernetes_users: frozenset[str]
    teams: frozenset[str] = frozenset()
    keys: tuple[KeyEntry, ...] = ()
    identities: tuple[Identity, ...] = ()
    names: UserNames = field(init=False, compare=False, repr=False)
    """All of this person's names, the principal among them."""
    patterned: bool = field(init=False, compare=False, repr=False)
    """Whether some of them are patterns."""

    def __post_init__(self) -> None:
        """Read the patterns once: each approval asks."""
        object.__setattr__(self, "patterned", any(ANY in name for name in self.kubernetes_users))
        object.__setattr__(self, "names", UserNames(self.kubernetes_users, {self.principal} - {""}))


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A key with the person behind it. ``problem`` is empty for a key that counts.

    ``entry`` has the first end of all that its Approver gives for this key, in either notation: whoever set an end to
    one of the entries meant the key.
    """

    entry: KeyEntry
    approver: Approver
    problem: str


class Registry:
    """All approvers' keys, by their exact wire encoding and by their kid. A look-up does not grow with their number.

    A key signs in the notation in which it is registered; registered in both, it is still one key.
    """

    def __init__(self, approvers: Iterable[Approver]) -> None:
        self.approvers: Final[Sequence[Approver]] = tuple(approvers)
        taken = _Taken(self.approvers)
        self._keys: Final[dict[bytes, RegisteredKey]] = {}
        self._kids: Final[dict[str, RegisteredKey]] = {}
        self.problems: Final[dict[tuple[str, str], str]] = {}
        for approver in self.approvers:
            for key in approver.keys:
                problem = taken.problem(approver, key)
                self.problems[approver.name, key.name] = problem
                registered = RegisteredKey(replace(key, not_after=taken.ends.get(key.blob)), approver, problem)
                if key.kid is not None:
                    self._kids[key.kid] = registered
                elif key.blob:
                    self._keys[key.blob] = registered
        self._names: Final = UserNames(
            (name for approver in self.approvers for name in approver.kubernetes_users),
            (approver.principal for approver in self.approvers if approver.principal),
        )
        self._by_extra: Final = tuple(approver for approver in self.approvers if approver.identities)
        self.telling_extra: Final = frozenset(
            identity.key.lower() for approver in self._by_extra for identity in approver.identities
        )
        """The keys of a caller's ``extra``, in lower case, that tell an approver."""
        listed = (*self._keys.values(), *self._kids.values())
        self.usable: Final = len({key.approver.name for key in listed if not key.problem})
        """How many approvers have at least one key that counts, an end of its time left aside."""

    def find(self, blob: bytes) -> RegisteredKey | None:
        """The key that is registered in SSH's notation with exactly this encoding, whether it counts or not."""
        return self._keys.get(blob)

    def find_kid(self, kid: str) -> RegisteredKey | None:
        """The JSON Web Key of exactly this name, whether it counts or not."""
        return self._kids.get(kid)

    def knows(self, name: str) -> bool:
        """Whether some approver goes by this user name or is this principal."""
        return name in self._names

    def told_by(self, extra: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """The principals of approvers whom a caller's ``extra`` tells to be that caller."""
        return frozenset(approver.principal for approver in self._by_extra if by_extra(approver.identities, extra))


def shared_names(approvers: Iterable[Approver]) -> dict[str, tuple[str, str]]:
    """The Approvers, by name, that share a user name or an identity with another: what it is, and the other's name."""
    listed = [(approver.name, name) for approver in approvers for name in approver.kubernetes_users]
    # Never taken for a user name: no name holds this character.
    told = [
        (approver.name, f"{identity.key.lower()}\0{identity.value}")
        for approver in approvers
        for identity in approver.identities
    ]
    return shared(told) | shared(listed)


class _Taken:
    """What all approvers' entries say together: who holds a key, what a kid stands for, and when a key ends."""

    def __init__(self, approvers: Sequence[Approver]) -> None:
        self._principals = Counter(approver.principal for approver in approvers)
        self._holders = Counter(
            blob for approver in approvers for blob in {key.blob for key in approver.keys if key.blob}
        )
        self._kids: dict[str, set[bytes]] = {}
        self.ends: Final[dict[bytes, float]] = {}
        for key in (key for approver in approvers for key in approver.keys):
            if key.kid is not None:
                self._kids.setdefault(key.kid, set()).add(key.blob)
            if key.not_after is not None:
                self.ends[key.blob] = min(key.not_after, self.ends.get(key.blob, key.not_after))

    def problem(self, approver: Approver, key: KeyEntry) -> str:
        """The reason why this key does not count; empty where it does."""
        if key.problem:
            return key.problem
        if not approver.principal or not approver.kubernetes_users:
            return "the Approver names no principal or no Kubernetes user, so that nobody can tell a peer"
        if self._principals[approver.principal] > 1:
            return f"Duplicate: principal {approver.principal} stands in another Approver too, and counts in neither"
        if self._holders[key.blob] > 1:
            return DUPLICATE
        return DUPLICATE_KID if key.kid is not None and len(self._kids[key.kid]) > 1 else ""
