"""CEL for matchConditions: what texts become in it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seconder.admission import cel


@given(st.text())
def test_a_quoted_text_can_only_be_that_text(text: str) -> None:
    """The literal is ASCII, has no quote or backslash but in escapes, and spells the text."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        with pytest.raises(ValueError, match="surrogate"):
            cel.quote(text)
        return
    literal = cel.quote(text)
    assert re.fullmatch(r'"([A-Za-z0-9_./: -]|\\u[0-9a-f]{4}|\\U[0-9a-f]{8})*"', literal)
    spelt = re.sub(r"\\u(.{4})|\\U(.{8})", lambda match: chr(int(match[1] or match[2], 16)), literal[1:-1])
    assert spelt == text
