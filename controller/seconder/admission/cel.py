"""CEL for matchConditions. Every string from a policy enters an expression through ``quote`` and nowhere else."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from seconder.api.resources import GroupResource

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./: ")


_GROUPS_COMPARED: Final = 30_000
"""Groups of the caller times groups of one test. The API server gives one condition a million steps, all conditions of
an entry two and a half, and refuses whoever needs more."""


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


def in_groups(values: Collection[str]) -> str:
    """A test of the caller's groups against an exact list. A caller may have none, and the key is then absent.

    It also holds for a caller in more groups than can be compared within a condition's cost.
    """
    groups = "request.userInfo.groups"
    most = _GROUPS_COMPARED // max(1, len(values))
    return f"has({groups}) && ({groups}.size() > {most} || {listed(values)}.exists(group, group in {groups}))"


def has_extra(keys: Iterable[str]) -> str:
    """A test of the keys of userInfo.extra. Most callers have no extra, and the key is then absent."""
    # Asked of the few tags: who holds a token may have any number of keys.
    return f"has(request.userInfo.extra) && {listed(keys)}.exists(key, key in request.userInfo.extra)"


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


def kind(resource: GroupResource) -> str:
    """A test for one kind of object."""
    return (
        f"request.resource.group == {quote(resource.group)} && request.resource.resource == {quote(resource.resource)}"
    )


def one_of(kinds: Iterable[GroupResource]) -> str:
    """A test for any of these kinds."""
    groups: dict[str, list[str]] = {}
    for group, plural in sorted(kinds):
        groups.setdefault(group, []).append(plural)
    return either(
        [
            f"request.resource.group == {quote(group)} && request.resource.resource in {listed(plurals)}"
            for group, plurals in groups.items()
        ]
    )


def subresource(name: str) -> str:
    """A test for a subresource; the key is absent on the object itself."""
    return f"has(request.subResource) && request.subResource == {quote(name)}"


UNDER_DELETION: Final = "oldObject != null && has(oldObject.metadata) && has(oldObject.metadata.deletionTimestamp)"
"""Whether the stored object is under deletion."""

MADE_UNDER_OWNERS: Final = (
    'request.operation == "CREATE" && object != null && has(object.metadata)'
    " && has(object.metadata.ownerReferences) && object.metadata.ownerReferences.size() > "
)
"""Whether an object is made under more owners than the number that follows."""

CHANGES_OWNERS: Final = (
    "object != null && oldObject != null"
    " && has(object.metadata) && has(object.metadata.ownerReferences) && !(has(oldObject.metadata)"
    " && has(oldObject.metadata.ownerReferences)"
    " && object.metadata.ownerReferences == oldObject.metadata.ownerReferences)"
)
"""Whether an update leaves other owners than there were, and some."""


_OWNERS_COMPARED: Final = 32
"""Each with each. An object may have 10,000 of them."""

_LONGEST: Final = (("uid", 64), ("name", 253), ("kind", 64), ("apiVersion", 320))
"""What an owner's fields are compared up to, in code points. Nothing but an object's size bounds them, and comparing 64
owners of 7,000 code points each costs more than the API server gives a condition: it then refuses whoever asks."""


def _may_differ(which: str) -> str:
    """Whether owners of ``object`` or ``oldObject`` are too many or too long to be compared."""
    owners = f"{which}.metadata.ownerReferences"
    long = " || ".join(f"owner.{field}.size() > {most}" for field, most in _LONGEST)
    return f"{owners}.size() > {_OWNERS_COMPARED} || {owners}.exists(owner, {long})"


ADDS_OWNERS: Final = (
    f"({CHANGES_OWNERS}) && (!has(oldObject.metadata) || !has(oldObject.metadata.ownerReferences)"
    f" || {_may_differ('object')} || {_may_differ('oldObject')}"
    " || object.metadata.ownerReferences.exists(added, !oldObject.metadata.ownerReferences.exists(kept,"
    " kept.uid == added.uid && kept.name == added.name && kept.kind == added.kind"
    " && kept.apiVersion == added.apiVersion)))"
)
"""Whether an update leaves an owner that was none before, or owners that are too many or too long to tell."""


LOSES_OWNERS: Final = (
    "object == null || oldObject == null || (has(oldObject.metadata) && has(oldObject.metadata.ownerReferences)"
    " && !(has(object.metadata) && has(object.metadata.ownerReferences)))"
)
"""Whether an update leaves no owners, and there were some."""


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
