"""Text from others, made safe to show: it draws no line, no field and no link of its own.

``clean`` goes before everything that a client wrote. What stands in a sentence of ours is told apart from it by
``named`` or ``quoted``, what a terminal may wrap is cut by ``folded``, and what goes into chats passes ``for_chat``.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from seconder.api.resources import Target

MAX_FIELD: Final = 320
"""Code points that a text from a client may take up. Names in Kubernetes have at most 253."""

_SPACES: Final = re.compile(" {2,}")

_UNSEEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0").union(
    map(chr, range(0xFE00, 0xFE10)), map(chr, range(0xE0100, 0xE01F0))
)
"""What is printable to Python and shows nothing. Source: Unicode's DerivedCoreProperties.txt,
Default_Ignorable_Code_Point, and the blank Braille pattern."""

_NAME: Final = re.compile(r"[\w.:/@#|+=~%-]+")
"""What names are made of, with nothing in it that could end them in a sentence."""

_RENDERED: Final = re.compile(r"[.:](?=\S)|[^A-Za-z0-9 ,;'\"().:/+%!?\x80-\U0010ffff-]")
"""In ASCII, whatever chat services are not known to show as it is. A dot or colon inside a word may make a link."""

_ALIKE: Final = {".": "\u2024", ":": "\u2236"}
"""What stands in names of every kind has a sign of its own width."""

_FULL_WIDTH: Final = 0xFEE0
"""From a sign in ASCII to its full-width form."""


def clean(text: str) -> str:
    """One line without what does not show, nor control, format (bidi) and line-breaking characters.

    Spaces do not run on, since they could reach to where a terminal begins its next line. What is overlong is
    shortened.
    """
    if not text.isprintable() or not text.isascii():
        text = "".join(character for character in text if character.isprintable() and character not in _UNSEEN)
    if "  " in text:
        text = _SPACES.sub(" ", text)
    return text if len(text) <= MAX_FIELD else f"{text[:MAX_FIELD]}..."


def quoted(text: str) -> str:
    """What somebody wrote freely, as theirs: cleaned, in quotation marks, of which it holds none itself."""
    return f'"{"".join(map(_no_mark, clean(text)))}"'


def named(text: str) -> str:
    """A name that somebody chose, cleaned: as it is where it can be nothing but a name, else in quotation marks."""
    return text if len(text) <= MAX_FIELD and text.isascii() and _NAME.fullmatch(text) else quoted(text)


def describe(target: Target) -> str:
    """``deployments.apps payments/checkout``. A name that could be read as another is in quotation marks.

    Names of most kinds are made of few signs. Those of roles and their bindings are not.
    """
    path = target.path
    if path.isascii() and _NAME.fullmatch(path):
        return clean(f"{target.resource} {path}")
    return f"{clean(str(target.resource))} {quoted(path)}" if path else clean(str(target.resource))


def for_chat(text: str) -> str:
    """What others wrote, once cleaned, so that no chat service makes a link, a mention or a format of it.

    Signs are replaced by those that look like them, and are read as before.
    """
    return _RENDERED.sub(_harmless, text)


def folded(text: str, columns: int) -> Iterator[str]:
    """The pieces of a text, each of at most so many columns: cut before a space, else anywhere; joined, they are it."""
    start = 0
    while (end := _reach(text, start, columns)) < len(text):
        # Not nearer than half-way, so that a few long words do not make many lines.
        space = text.rfind(" ", start + max(1, columns // 2), end + 1)
        yield text[start : space if space > 0 else end]
        start = space if space > 0 else end
    yield text[start:]


def _no_mark(character: str) -> str:
    """Instead of what is a quotation mark to anybody, an apostrophe."""
    return "'" if character == '"' or "QUOTATION MARK" in unicodedata.name(character, "") else character


def _harmless(found: re.Match[str]) -> str:
    sign = found[0]
    return _ALIKE.get(sign) or chr(ord(sign) + _FULL_WIDTH)


def _reach(text: str, start: int, columns: int) -> int:
    """Where a line ends that begins there. Outside ASCII a character may take up two columns, and counts so."""
    if text.isascii():
        return min(len(text), start + max(1, columns))
    taken, end = 0, start
    while end < len(text):
        taken += 1 if text[end].isascii() else 2
        if taken > columns and end > start:
            break
        end += 1
    return end
