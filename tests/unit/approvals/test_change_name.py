"""The names of change requests."""

import base64
import hashlib

import pytest
from msgspec.structs import replace
from tests.support.builders import DEPLOYMENTS

from seconder.api.resources import Action, Target
from seconder.approvals.change import By, name_of

_TO_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")


@pytest.mark.parametrize("number", range(64))
def test_a_name_is_the_hash_in_crockfords_base32(number: int) -> None:
    """As the library would write it, each part framed by its length."""
    target = Target(DEPLOYMENTS, "Deployment", "payments", f"checkout-é-{number}", f"uid-{number}")
    parts = ("kiro", "", "apps", "deployments", "payments", target.name, target.uid, "Delete")
    framed = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    digits = base64.b32encode(hashlib.sha256(framed).digest()[:16]).rstrip(b"=").translate(_TO_CROCKFORD)
    assert name_of("kiro", "", target, Action.DELETE) == f"chg-{digits.decode()}"


_BY = By("CREATE", "discovery.k8s.io", "endpointslices", "payments", "mine", "", "what is sent to it goes elsewhere")


def test_what_another_request_amounts_to_has_a_name_of_its_own() -> None:
    """One for each such request, whatever words tell of it; that of the action itself stays as it was."""
    target = Target(DEPLOYMENTS, "Deployment", "payments", "checkout", "uid-1")
    plain = name_of("kiro", "", target, Action.DELETE)
    others = [
        replace(_BY, **{field: f"{getattr(_BY, field)}x"})
        for field in ("operation", "group", "resource", "namespace", "name", "subresource")
    ]
    named = [name_of("kiro", "", target, Action.DELETE, (), by) for by in (_BY, *others)]
    assert len({plain, *named, name_of("kiro", "", target, Action.DELETE, ("by", ""))}) == len(named) + 2
    assert name_of("kiro", "", target, Action.DELETE, (), replace(_BY, reason="else")) == named[0]
    assert name_of("kiro", "", target, Action.DELETE, (), None) == plain


def test_what_leads_to_one_state_from_two_others_is_two_changes() -> None:
    """Back to what a change had made is none of that change."""
    target = Target(DEPLOYMENTS, "Deployment", "payments", "checkout", "uid-1")
    states = (("a", "b"), ("c", "b"), ("b", "a"), ())
    assert len({name_of("kiro", "", target, Action.CHANGE, each) for each in states}) == len(states)
