"""CEL for matchConditions. Every string from a policy enters an expression through ``quote`` and nowhere else."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./: ")


def quote(text: str) -> str:
    """Give the CEL string literal for any text (cel-spec, "String and Bytes Values").

    All but a few harmless characters are written as escapes of their code points, so that no text can end its literal.
    Raises ValueError for lone surrogates, which no CEL string can hold.
    """
    return '"' + "".join(character if character in _PLAIN else _escape(ord(character)) for character in text) + '"'


def _escape(code: int) -> str:
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("a lone surrogate has no place in a CEL string")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def listed(values: Iterable[str]) -> str:
    """Give the CEL list literal of some texts, sorted so that equal policies compile to equal expressions."""
    return "[" + ", ".join(quote(value) for value in sorted(values)) + "]"


def either(parts: Sequence[str]) -> str:
    """Join alternatives; no alternative is false."""
    return " || ".join(f"({part})" for part in parts) if parts else "false"


def username_in(values: Iterable[str]) -> str:
    """Test the caller's user name against an exact list."""
    return f"request.userInfo.username in {listed(values)}"


def in_groups(values: Iterable[str]) -> str:
    """Test the caller's groups against an exact list. A caller may have none at all, and the key is then absent."""
    return f"has(request.userInfo.groups) && request.userInfo.groups.exists(group, group in {listed(values)})"


def has_extra(keys: Iterable[str]) -> str:
    """Test the keys of userInfo.extra. Most callers have no extra, and the key is then absent."""
    return f"has(request.userInfo.extra) && request.userInfo.extra.exists(key, key in {listed(keys)})"


def service_account_of(namespaces: Iterable[str]) -> str:
    """Test for any ServiceAccount of some namespaces: the third of the words between colons."""
    prefix = quote("system:serviceaccount:")
    words = 'request.userInfo.username.split(":")'
    return f"request.userInfo.username.startsWith({prefix}) && {words}[2] in {listed(namespaces)}"


def annotated(which: str, test: str) -> str:
    """Test the annotations ``a`` of ``object`` or ``oldObject``, either of which may be null or without any."""
    held = f"{which} != null && has({which}.metadata) && has({which}.metadata.annotations)"
    return f"{held} && {test.replace('@', f'{which}.metadata.annotations')}"


def field_manager_in(values: Iterable[str]) -> str:
    """Test the field manager that a client gave itself. The options of a DELETE have none."""
    manager = "request.options.fieldManager"
    told = f'request.operation != "DELETE" && has(request.options) && request.options != null && has({manager})'
    return f"{told} && {manager} in {listed(values)}"


_REPLICAS: Final = "type(object.spec) == map && has(object.spec.replicas) && object.spec.replicas"
_LEAVING: Final = "has(oldObject.metadata) && has(oldObject.metadata.deletionTimestamp)"
_OWNERS: Final = (
    "has(object.metadata) && has(object.metadata.ownerReferences) && !(has(oldObject.metadata)"
    " && has(oldObject.metadata.ownerReferences)"
    " && object.metadata.ownerReferences == oldObject.metadata.ownerReferences)"
)
_SUBRESOURCE: Final = "has(request.subResource) && request.subResource"
OTHERS_DEED: Final = (
    'request.operation == "DELETE" || object == null || oldObject == null'
    f' || ({_LEAVING}) || ({_SUBRESOURCE} == "finalize")'
    f' || ({_SUBRESOURCE} == "scale" ? !(has(object.spec) && has(object.spec.replicas) && object.spec.replicas > 0)'
    f" : has(object.spec) && {_REPLICAS} == 0)"
)
"""Whether a request may be one of the actions that policies name, all but a change of owners.

A Scale of nothing leaves its number out. A kind of its own may keep any thing in ``spec``.
"""

DEED: Final = f"{OTHERS_DEED} || ({_OWNERS})"
"""Whether a request may be one of the actions that policies name; it spares ordinary updates the way to the webhook."""

_MANY_OWNERS: Final = 64
"""Owners of an object that CEL compares with those before, each with each."""

ADDS_OWNERS: Final = (
    f"object == null || oldObject == null || (({_OWNERS}) && (object.metadata.ownerReferences.size() > {_MANY_OWNERS}"
    " || !has(oldObject.metadata) || !has(oldObject.metadata.ownerReferences)"
    f" || oldObject.metadata.ownerReferences.size() > {_MANY_OWNERS}"
    " || object.metadata.ownerReferences.exists(added, !oldObject.metadata.ownerReferences.exists(kept,"
    " kept.uid == added.uid && kept.name == added.name && kept.kind == added.kind"
    " && kept.apiVersion == added.apiVersion))))"
)
"""Whether an update gives the object an owner. It may lose one, or change how the one it has waits for it, unasked."""


ENDS: Final = f'request.operation == "DELETE" || object == null || oldObject == null || ({_LEAVING}) || ({_OWNERS})'
"""Whether an object may go by a request, now or later, and what it owns with it."""


def slices(values: Iterable[str], limit: int) -> list[list[str]]:
    """Divide texts, sorted, into lists that stay under ``limit`` characters when quoted."""
    return pack(sorted(values), limit, lambda text: len(quote(text)) + len(", "))


def pack(parts: Iterable[str], limit: int, size_of: Callable[[str], int] = len) -> list[list[str]]:
    """Divide texts into groups whose sizes together stay under ``limit``, in order; one that is larger is alone."""
    groups: list[list[str]] = []
    size = 0
    for part in parts:
        size += size_of(part)
        if not groups or size > limit:
            groups.append([])
            size = size_of(part)
        groups[-1].append(part)
    return groups
