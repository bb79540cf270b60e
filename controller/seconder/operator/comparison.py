"""What the stored webhook configuration asks about less, or otherwise, than the compiled one; by meaning, not bytes.

Others write to webhook configurations. AKS' Admissions Enforcer puts two expressions into every namespaceSelector, and
puts them back for ever. What such an expression leaves out depends on the namespaces that there are, so it is told
apart here from what narrows whatever there is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

AUDIT_PREFIX: Final = "audit-"
"""Of the names of entries that are for policies in Audit."""

_HOW: Final = frozenset({"timeoutSeconds"})
"""Fields that say how it is asked, not what about: whoever gets no answer in time is refused, as one by no webhook."""


@dataclass(frozen=True, slots=True, order=True)
class Exclusion:
    """An expression of a namespaceSelector that leaves out namespaces which have a label.

    ``values``: those that leave them out; empty: any (``DoesNotExist``).
    """

    key: str
    values: tuple[str, ...] = ()

    @property
    def selector(self) -> str:
        """The labelSelector of the namespaces that are left out."""
        return f"{self.key} in ({','.join(self.values)})" if self.values else self.key

    def __str__(self) -> str:
        """As people read it."""
        return self.selector


@dataclass(frozen=True, slots=True)
class Difference:
    """What is otherwise in one entry. ``narrows``: less is asked about, or nobody who could answer.

    ``widens``: more is asked about, of people too perhaps. Where it does neither, the same is asked about.
    """

    entry: str
    what: str
    narrows: bool
    widens: bool = False

    @property
    def audit(self) -> bool:
        """Whether it is in an entry for policies in Audit."""
        return self.entry.startswith(AUDIT_PREFIX)

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.entry} {self.what}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs. ``exclusions``: by expression, whether an entry that refuses has it."""

    differences: Sequence[Difference] = ()
    exclusions: Mapping[Exclusion, bool] = field(default_factory=dict)

    @property
    def narrowing(self) -> list[Difference]:
        """What narrows whatever namespaces there are."""
        return [difference for difference in self.differences if difference.narrows]


def compare(wanted: Iterable[Mapping[str, Any]], stored: Iterable[Mapping[str, Any]]) -> Comparison:
    """Compare ``webhooks`` of the compiled configuration with those of the stored one."""
    compiled = {entry["name"]: entry for entry in wanted}
    found = {entry.get("name", ""): entry for entry in stored}
    differences = [Difference(name, "is missing", narrows=True) for name in compiled.keys() - found.keys()]
    differences += [
        Difference(name, "is not ours", narrows=False, widens=True) for name in found.keys() - compiled.keys()
    ]
    exclusions: dict[Exclusion, bool] = {}
    for name in compiled.keys() & found.keys():
        entry, other = compiled[name], found[name]
        for key in sorted(entry.keys() | other.keys()):
            if entry.get(key) == other.get(key):
                continue
            left_out = _exclusions(other.get(key)) if key == "namespaceSelector" and not entry.get(key) else None
            if left_out is None:
                narrows = _narrows(key, entry.get(key), other.get(key))
                widens = not narrows and key not in _HOW
                differences.append(Difference(name, f"has another {key}", narrows, widens))
                continue
            for exclusion in left_out:
                refuses = not name.startswith(AUDIT_PREFIX)
                exclusions[exclusion] = exclusions.get(exclusion, False) or refuses
    return Comparison(sorted(differences, key=str), exclusions)


def _exclusions(selector: Any) -> list[Exclusion] | None:
    """The expressions of a selector of which each leaves out some labelled namespaces; None for any other."""
    if not isinstance(selector, dict) or selector.keys() - {"matchLabels", "matchExpressions"}:
        return None
    if selector.get("matchLabels"):
        return None
    exclusions = []
    for expression in selector.get("matchExpressions") or ():
        values = tuple(sorted(expression.get("values") or ()))
        match expression.get("operator"):
            case "NotIn" if values:
                exclusions.append(Exclusion(expression["key"], values))
            case "DoesNotExist":
                exclusions.append(Exclusion(expression["key"]))
            case _:
                return None
    return exclusions


def _narrows(key: str, wanted: Any, stored: Any) -> bool:
    """Whether a field that differs has less asked about. What is not known to be harmless does."""
    if key in _HOW:
        return False
    match key:
        case "rules":
            return not all(rule in (stored or ()) for rule in wanted)
        case "matchConditions":
            return not all(condition in wanted for condition in stored or ())
        case _:
            return True
