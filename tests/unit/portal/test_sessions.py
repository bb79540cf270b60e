"""Who is signed in, and who is not."""

import secrets
from typing import Any

import pytest
from tests.support import signing
from tests.support.fido import ORIGIN, PAGE, PRESENT, VERIFIED, Passkey, challenge_of

from seconder.approvals.registry import Registry
from seconder.portal import sessions
from seconder.portal.problem import Refused
from seconder.portal.sessions import Sessions, handle_of

NOW = 1_795_320_100.0


def _alice(passkey: Passkey, not_after: float | None = None) -> Registry:
    return Registry([signing.approver("alice", signing.entry(passkey.line, "passkey", not_after))])


def _begun(passkey: Passkey, registry: Registry, handle: str | None = None, **choices: Any) -> str:
    """The cookie of a sign-in. ``challenge``: what is signed in place of what was asked."""
    made = Sessions(ORIGIN, PAGE)
    asked = made.challenge(NOW)
    signed = choices.pop("challenge", asked.encode())
    signature = passkey.signature(b"", challenge=signed, **choices)
    return made.begin(asked, signature, handle_of("alice@example.com") if handle is None else handle, registry, NOW + 5)


def test_a_registered_passkey_signs_its_approver_in() -> None:
    """On every replica alike: they share nothing."""
    passkey = Passkey()
    registry = _alice(passkey)
    session = Sessions(ORIGIN, PAGE).find(_begun(passkey, registry), registry, NOW + 10)
    assert session is not None
    assert session.approver.name == "alice"
    assert session.blob == passkey.blob


def test_whose_passkey_it_is_need_not_be_told() -> None:
    """Some authenticators tell no handle, and somebody may have enrolled under another name."""
    passkey = Passkey()
    registry = _alice(passkey)
    for handle in ("", handle_of("alice")):
        assert _begun(passkey, registry, handle)


def test_a_session_ends_after_an_hour() -> None:
    """Whatever is done in it."""
    passkey = Passkey()
    registry = _alice(passkey)
    cookie = _begun(passkey, registry)
    made = Sessions(ORIGIN, PAGE)
    assert made.find(cookie, registry, NOW + 3599) is not None
    assert made.find(cookie, registry, NOW + 3600) is None
    assert made.find(cookie, registry, NOW - 60) is None


def test_a_key_that_is_removed_or_over_ends_its_sessions() -> None:
    """At once: each request is judged by the Approvers as they are."""
    passkey = Passkey()
    cookie = _begun(passkey, _alice(passkey))
    made = Sessions(ORIGIN, PAGE)
    assert made.find(cookie, _alice(Passkey()), NOW + 10) is None
    assert made.find(cookie, _alice(passkey, not_after=NOW + 9), NOW + 10) is None
    bob = signing.approver("bob", signing.entry(passkey.line))
    twice = Registry([signing.approver("alice", signing.entry(passkey.line)), bob])
    assert made.find(cookie, twice, NOW + 10) is None


@pytest.mark.parametrize(
    "choices",
    [
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"origin": f"https://other.{PAGE}"},
        {"origin": "https://evil.example.com"},
        {"more": ',"crossOrigin":true}'},
        {"challenge": challenge_of(b"{}\n")},
        {"challenge": b"seconder portal sign-in v1\nhttps://approve.example.com\n1795320100\nAAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=["not verified", "not present", "subdomain", "other page", "frame", "an approval", "another challenge"],
)
def test_nothing_else_that_a_passkey_signs_signs_in(choices: dict[str, Any]) -> None:
    """Neither an approval, nor what it signed for another page, in a frame, or without knowing who was there."""
    passkey = Passkey()
    with pytest.raises(Refused):
        _begun(passkey, _alice(passkey), **choices)


def test_a_stranger_is_told_what_to_do() -> None:
    """A passkey that nobody registered."""
    with pytest.raises(Refused, match="stands in no Approver") as refused:
        _begun(Passkey(), _alice(Passkey()))
    assert refused.value.status == 403


def test_a_passkey_for_another_page_does_not_count_here() -> None:
    """Registered, but its application is another host."""
    passkey = Passkey("other.example.com")
    with pytest.raises(Refused):
        _begun(passkey, _alice(passkey))


def test_an_answer_that_comes_late_is_none() -> None:
    """Nor is one to a challenge of tomorrow's."""
    passkey = Passkey()
    made = Sessions(ORIGIN, PAGE)
    asked = made.challenge(NOW)
    signature = passkey.signature(b"", challenge=asked.encode())
    for now in (NOW + 121, NOW - 6):
        with pytest.raises(Refused, match="too long"):
            made.begin(asked, signature, "", _alice(passkey), now)


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "x",
        "a\nb\nc\nd",
        f"seconder portal sign-in v1\n{ORIGIN}\n0{int(NOW)}\nAAAAAAAAAAAAAAAAAAAAAA",
        f"seconder portal sign-in v1\n{ORIGIN}\n\N{SUPERSCRIPT TWO}\nx",
        f"{'9' * 400}",
    ],
)
def test_a_challenge_that_is_none_is_refused(challenge: str) -> None:
    """Read in one form, and no other."""
    with pytest.raises(Refused, match="no challenge"):
        Sessions(ORIGIN, PAGE).begin(challenge, b"", "", Registry(()), NOW)


@pytest.mark.parametrize("cookie", ["", "x", "é", "A" * 5000, secrets.token_urlsafe(600)])
def test_a_cookie_that_is_none_is_nobody(cookie: str) -> None:
    """And no error."""
    assert Sessions(ORIGIN, PAGE).find(cookie, Registry(()), NOW) is None


def test_a_changed_cookie_is_nobodys() -> None:
    """Each byte of it counts."""
    passkey = Passkey()
    registry = _alice(passkey)
    cookie = _begun(passkey, registry)
    made = Sessions(ORIGIN, PAGE)
    found = 0
    for place in range(len(cookie)):
        other = "A" if cookie[place] != "A" else "B"
        found += made.find(cookie[:place] + other + cookie[place + 1 :], registry, NOW + 10) is not None
    assert found == 0


def test_a_flood_of_strangers_keeps_nobody_out_whose_passkey_tells_its_owner() -> None:
    """Trying all passkeys costs; it is done so often and no more."""
    passkey = Passkey()
    registry = _alice(passkey)
    made = Sessions(ORIGIN, PAGE)
    stranger = Passkey()
    for _ in range(int(sessions._WIDE_BURST) + 5):
        asked = made.challenge(NOW)
        with pytest.raises(Refused):
            made.begin(asked, stranger.signature(b"", challenge=asked.encode()), "", registry, NOW)
    asked = made.challenge(NOW)
    signature = passkey.signature(b"", challenge=asked.encode())
    with pytest.raises(Refused):
        made.begin(asked, signature, "", registry, NOW)
    assert made.begin(asked, signature, handle_of("alice@example.com"), registry, NOW)
