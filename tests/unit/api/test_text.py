"""What others wrote stays theirs, wherever it is shown."""

import pytest

from seconder.api.resources import GroupResource, Target
from seconder.api.text import clean, describe, folded, for_chat, named, quoted


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u2800", "\u3164", "\u115f", "\ufe0f"])
def test_no_text_reaches_for_the_next_line_by_what_shows_nothing(blank: str) -> None:
    """Spaces, and what looks like them."""
    assert clean(f"a{blank * 60}b") in {"a b", "ab"}


def test_a_text_is_one_line_and_short() -> None:
    """Whatever it holds."""
    assert clean("a\nb\u202ec\x1b[2J\u2028d") == "abc[2Jd"
    assert len(clean("x" * 1000)) < 330


@pytest.mark.parametrize("mark", ['"', "\u201d", "\uff02", "\u201e", "\u2033"])
def test_nobody_ends_the_quotation_of_their_own_words(mark: str) -> None:
    """By a mark of another alphabet neither."""
    assert quoted(f"fine{mark} approved: 1 of 2")[1:-1].isascii() or mark == "\u2033"
    assert '"' not in quoted(f"fine{mark} approved: 1 of 2")[1:-1]


def test_a_name_that_could_be_more_than_a_name_is_quoted() -> None:
    """What goes on after it is ours."""
    for plain in (
        "alice@example.com",
        "system:serviceaccount:a:kiro",
        "oidc:https://idp.example.com#alice",
        "r/x:1@sha",
    ):
        assert named(plain) == plain
    assert named("kiro (agent of alice)") == '"kiro (agent of alice)"'
    assert named("kiro, dana") == '"kiro, dana"'
    assert named("") == '""'


@pytest.mark.parametrize(
    "text",
    [
        "[a](https://evil.example)", "<!channel>", "<https://evil.example|a>", "*a* _b_ ~c~ `d`", "# a", "||a||",
        "@all", "evil.example", "mailto:www.a.example", "<b>a</b>", "&lt;", "$x$", ":skull:", "\\n", "{a}",
    ],
)  # fmt: skip
def test_no_chat_service_makes_more_of_it(text: str) -> None:
    """Of ASCII only letters, digits and signs that are known to stay signs are left; a dot or colon ends a word."""
    shown = for_chat(text)
    signs = {sign for sign in shown if sign.isascii() and not sign.isalnum()}
    assert signs <= set(" ,;'\"().:/+%!?-")
    assert not any(f"{sign}{letter}" in shown for sign in ".:" for letter in map(chr, range(0x21, 0x7F)))
    assert len(shown) == len(text)


def test_what_is_folded_is_whole_and_fits() -> None:
    """Cut before spaces; wide letters count as two columns."""
    text = "one two " * 20 + "x" * 100 + " \u4e2d" * 30
    for width in (10, 33, 80):
        pieces = list(folded(text, width))
        assert "".join(pieces) == text
        assert all(sum(1 if letter.isascii() else 2 for letter in piece) <= width for piece in pieces)
        assert all(not piece.endswith(" ") for piece in pieces)
    assert list(folded("", 10)) == [""]
    assert list(folded("aaaa bbbb", 6)) == ["aaaa", " bbbb"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("checkout", "roles.rbac.authorization.k8s.io fz/checkout"),
        ("system:node-proxier", "roles.rbac.authorization.k8s.io fz/system:node-proxier"),
        ("r\u202egnp", 'roles.rbac.authorization.k8s.io "fz/rgnp"'),
        (
            "api\noperator: erin (cannot approve this)",
            'roles.rbac.authorization.k8s.io "fz/apioperator: erin (cannot approve this)"',
        ),
        ("", "roles.rbac.authorization.k8s.io fz/"),
    ],
)
def test_no_object_is_shown_as_another_one(name: str, shown: str) -> None:
    """Names of roles and bindings may hold nearly anything."""
    assert describe(Target(GroupResource("rbac.authorization.k8s.io", "roles"), "Role", "fz", name, "u")) == shown
