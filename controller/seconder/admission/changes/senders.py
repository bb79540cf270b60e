"""Which fields whoever made an object sends again: those that are in the manifests of kubectl and Helm.

Before a client has applied an object for the first time, no annotation tells what its manifest holds. Who owns a field
does: what ``kubectl create``, an apply of kubectl's or Helm has set, and nobody else since, is in that one's manifest,
and no next apply of it takes it away. An agent cannot make it so. What a controller, ``kubectl edit`` or a patch has
set has another owner, which an update does not lose unseen, and a share that an agent takes by an apply adds one.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from seconder.admission.changes import managed_fields
from seconder.admission.changes.managed_fields import CLIENT, SERVER, Fields, Key, Written
from seconder.admission.changes.place import Place

_ONCE: Final = (Key("kubectl-create", "Update", "", ""), SERVER, Key("helm", "Apply", "", ""))
_BEFORE_HELM_4: Final = Key("helm", "Update", "", "")
_SENDERS: Final = frozenset({CLIENT, *_ONCE, _BEFORE_HELM_4})
"""Field managers that send whole manifests, by the names that kubectl and Helm have for themselves."""


class Senders:
    """Who owns what of an object as it is stored. Raises as ``managed_fields.trees`` does."""

    def __init__(self, stored: Written) -> None:
        sending: list[tuple[Key, Fields]] = []
        self._others: Final[list[Fields]] = []
        for key, tree in managed_fields.trees(stored):
            unversioned = key._replace(version="")
            if unversioned in _SENDERS:
                sending.append((unversioned, tree))
            else:
                self._others.append(tree)
        self._sending: Final[Collection[Fields]] = [tree for _, tree in sending]
        self._unnamed: Final[Collection[Fields]] = [tree for key, tree in sending if key != CLIENT]

    def send(self, place: Place, root: Place) -> bool:
        """Whether all that is guarded of a stored field is in the manifest of who set it."""
        return self._sent(place, root, self._sending)

    def _sent(self, place: Place, root: Place, trees: Collection[Fields]) -> bool:
        if place.none_free:
            mine = any(_owns(tree, place, root) for tree in trees)
            return mine and not any(_owns(tree, place, root) for tree in self._others)
        if not isinstance(place.before, Mapping):
            return False
        below = (place.field(key) for key in place.before)
        return all(each.all_free or self._sent(each, root, trees) for each in below)

    def unnamed(self, told: Any, place: Place, root: Place) -> Iterator[Place]:
        """The guarded fields that somebody sends, and that what was applied last does not name.

        Without that annotation, an agent might name them. What was applied by client is named, or a default.
        """
        for key, value in place.before.items() if isinstance(place.before, Mapping) else ():
            below = place.field(key)
            if below.all_free:
                continue
            named = told.get(key) if isinstance(told, Mapping) else None
            # Of a list, an element that is not named goes by being named as well.
            short = isinstance(value, list) and not (isinstance(named, list) and len(named) >= len(value))
            if below.at_stake and (named is None or short) and self._sent(below, root, self._unnamed):
                yield below
            else:
                yield from self.unnamed(named, below, root)


def _owns(tree: Fields, place: Place, root: Place) -> bool:
    """Whether an entry owns a field, or as a whole what holds it."""
    above = root
    for step in place.steps:
        below = tree.get(f"f:{step}")
        if below is None:
            return not tree and above.none_free
        above, tree = above.field(step), below
    return True
