"""Values of known types, read from JSON or from documents, by any thread."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Generic, TypeVar, overload

import msgspec

T = TypeVar("T")
Hook = Callable[[type, Any], Any]


class TypeReader(Generic[T]):
    """Reads values of one type: JSON text by ``decode``, and what is parsed already by ``convert``. Both are strict.

    Made where its module is imported, never in a function: msgspec finds out what a type is made of at its first use,
    and keeps it on the type half done meanwhile. A second thread that uses it then ends the process (msgspec 0.22,
    ``StructInfo_Convert`` in ``_core.c``). ``hook`` reads what msgspec has no type for (``dec_hook``).

    ``decode`` raises msgspec.DecodeError, ``convert`` msgspec.ValidationError.
    """

    @overload
    def __init__(self: "TypeReader[T]", of: type[T], hook: Hook | None = None) -> None: ...
    @overload
    def __init__(self: "TypeReader[Any]", of: Any, hook: Hook | None = None) -> None: ...

    def __init__(self, of: Any, hook: Hook | None = None) -> None:
        self.decode: Final[Callable[[bytes | str | msgspec.Raw], T]] = msgspec.json.Decoder(of, dec_hook=hook).decode
        self.convert: Final[Callable[[Any], T]] = partial(msgspec.convert, type=of, dec_hook=hook)
