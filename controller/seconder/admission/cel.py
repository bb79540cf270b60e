"""CEL for matchConditions. Every string from a policy enters an expression through ``quote`` and nowhere else."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./: ")


def quote(text: str) -> str:
    """The CEL string literal for any text (cel-spec, "String and Bytes Values").

    All but a few harmless characters are written as escapes of their code points, so that no text can end its literal.
    Raises ValueError for lone surrogates, which no CEL string can hold.
    """
    return '"' + "".join(character if character in _PLAIN else _escape(ord(character)) for character in text) + '"'


def _escape(code: int) -> str:
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("a lone surrogate has no place in a CEL string")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def listed(values: Iterable[str]) -> str:
    """The CEL list literal of some texts, sorted so that equal policies compile to equal expressions."""
    return "[" + ", ".join(quote(value) for value in sorted(values)) + "]"


def either(parts: Sequence[str]) -> str:
    """The disjunction of these tests; without any, ``false``."""
    return " || ".join(f"({part})" for part in parts) if parts else "false"


def username_in(values: Iterable[str]) -> str:
    """A test of the caller's user name against an exact list."""
    return f"request.userInfo.username in {listed(values)}"


def in_groups(values: Iterable[str]) -> str:
    """A test of the caller's groups against an exact list. A caller may have none, and the key is then absent."""
    return f"has(request.userInfo.groups) && request.userInfo.groups.exists(group, group in {listed(values)})"


def has_extra(keys: Iterable[str]) -> str:
    """A test of the keys of userInfo.extra. Most callers have no extra, and the key is then absent."""
    return f"has(request.userInfo.extra) && request.userInfo.extra.exists(key, key in {listed(keys)})"


def service_account_of(namespaces: Iterable[str]) -> str:
    """A test for any ServiceAccount of some namespaces: the third of the words between colons."""
    prefix = quote("system:serviceaccount:")
    words = 'request.userInfo.username.split(":")'
    return f"request.userInfo.username.startsWith({prefix}) && {words}[2] in {listed(namespaces)}"


def annotated(which: str, test: str) -> str:
    """A test of the annotations (``@`` in it) of ``object`` or ``oldObject``, which may be null or have none."""
    held = f"{which} != null && has({which}.metadata) && has({which}.metadata.annotations)"
    return f"{held} && {test.replace('@', f'{which}.metadata.annotations')}"


def field_manager_in(values: Iterable[str]) -> str:
    """A test of the field manager that a client gave itself. The options of a DELETE have none."""
    manager = "request.options.fieldManager"
    told = f'request.operation != "DELETE" && has(request.options) && request.options != null && has({manager})'
    return f"{told} && {manager} in {listed(values)}"


def subresource(name: str) -> str:
    """A test for a subresource; the key is absent on the object itself."""
    return f"has(request.subResource) && request.subResource == {quote(name)}"


UNDER_DELETION: Final = "oldObject != null && has(oldObject.metadata) && has(oldObject.metadata.deletionTimestamp)"
"""Whether the stored object is under deletion."""

CHANGES_OWNERS: Final = (
    "object != null && oldObject != null"
    " && has(object.metadata) && has(object.metadata.ownerReferences) && !(has(oldObject.metadata)"
    " && has(oldObject.metadata.ownerReferences)"
    " && object.metadata.ownerReferences == oldObject.metadata.ownerReferences)"
)
"""Whether an update leaves other owners than there were, and some."""


def slices(values: Iterable[str], limit: int) -> list[list[str]]:
    """These texts, sorted, in lists that stay under ``limit`` characters when quoted."""
    return pack(sorted(values), limit, lambda text: len(quote(text)) + len(", "))


def pack(parts: Iterable[str], limit: int, size_of: Callable[[str], int] = len) -> list[list[str]]:
    """These texts in groups whose sizes together stay under ``limit``, in order; one that is larger is alone."""
    groups: list[list[str]] = []
    size = 0
    for part in parts:
        size += size_of(part)
        if not groups or size > limit:
            groups.append([])
            size = size_of(part)
        groups[-1].append(part)
    return groups
