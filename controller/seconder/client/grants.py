"""Follows who is granted what by RBAC, to know when an answer of the authorizer is no longer worth remembering."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from seconder.admission import rbac
from seconder.client.api import Api
from seconder.client.watch import Watch, Watches

_PLURALS: Final = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")


class Grants(Watches):
    """Watches all roles and bindings, of each its version alone.

    ``changed`` is called in the thread that saw a change, with the namespace in which rights may be others by now; with
    None where they may be anywhere, and after each list.
    """

    def __init__(
        self, api: Api, changed: Callable[[str | None], None], failed: Callable[[str, Exception], None]
    ) -> None:
        def one(key: str, _before: str | None, _now: str | None) -> None:
            namespace, slash, _ = key.rpartition("/")
            # What a binding in a namespace gives, it gives there alone, whoever has it.
            changed(namespace if slash else None)

        super().__init__(
            Watch[str](
                api,
                f"/apis/{rbac.GROUP}/v1/{plural}",
                _version,
                lambda _: changed(None),
                failed,
                metadata_only=True,
                one=one,
            )
            for plural in _PLURALS
        )


def _version(document: Mapping[str, Any]) -> str:
    return str(document["metadata"]["resourceVersion"])
