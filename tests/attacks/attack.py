"""What an attack is, and the list of all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Any, Final

from tests.attacks.field import Field

KINDS: Final = (
    "deletions",
    "sizes",
    "finalizers",
    "owners",
    "parents",
    "adopting",
    "standing",
    "pods",
    "claims",
    "claiming",
    "aliases",
    "programs",
    "fields",
    "applying",
    "unserving",
    "defining",
    "footing",
    "identities",
    "borrowing",
    "granting",
    "approvals",
    "tags",
    "guard",
    "flow",
    "forging",
    "cost",
    "memory",
)
"""The modules, one for each kind of attack, in the order in which they are played: the heavy ones come last."""


class Layer(StrEnum):
    """What refuses a request, as the API server's answer tells."""

    WEBHOOK = "webhook"
    POLICY = "admission policy"
    RBAC = "authorizer"
    FAILURE = "failing webhook"
    OTHER = "API server"


@dataclass(frozen=True)
class Attack:
    """One attack. ``name`` is unique; ``kind`` its module; ``layers`` are those that answer it, as Seconder claims.

    ``does`` says what is done, and ``variant`` in which way.

    ``run`` plays it: it returns where the guard held, and raises ``GotThrough`` or ``Untried``.
    """

    name: str
    kind: str
    does: str
    variant: str
    layers: Sequence[Layer]
    run: Callable[[Field], None] = field(compare=False)

    @property
    def says(self) -> str:
        """What is done and how, in one line."""
        return f"{self.does} ({self.variant.replace('-', ' ')})" if self.variant else self.does


_REGISTERED: Final[dict[str, Attack]] = {}

Played = Callable[..., None]


def attack(*layers: Layer, variants: Mapping[str, Sequence[Any]] | None = None) -> Callable[[Played], Played]:
    """Register a function as an attack; with ``variants``, one for each: its name, and the arguments after the field.

    ``layers`` may be left out: the webhook. The docstring's first line says what is done.
    """

    def register(function: Played) -> Played:
        base = function.__name__.replace("_", "-")
        kind = function.__module__.rpartition(".")[2]
        does = (function.__doc__ or "").partition("\n")[0]
        for variant, arguments in (variants or {"": ()}).items():
            name = f"{base}-{variant}" if variant else base

            def run(field: Field, arguments: Sequence[Any] = tuple(arguments)) -> None:
                function(field, *arguments)

            if name in _REGISTERED:
                raise ValueError(f"two attacks are called {name}")
            _REGISTERED[name] = Attack(name, kind, does, variant, layers or (Layer.WEBHOOK,), run)
        return function

    return register


def attacks(*wanted: str) -> Sequence[Attack]:
    """All attacks, or those of some kinds or names, in their order. Raises KeyError for a word that is neither."""
    for kind in KINDS:
        import_module(f"tests.attacks.{kind}")
    found = list(_REGISTERED.values())
    unknown = set(wanted) - set(KINDS) - {each.name for each in found}
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    return [each for each in found if not wanted or each.kind in wanted or each.name in wanted]
