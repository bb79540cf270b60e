"""Who approves below an AI assistant: nobody but a person, with a key that is touched."""

from pathlib import Path

import pytest
from tests.support.fido import Authenticator
from tests.support.signing import key

from seconder.api.policy import Assurance
from seconder.approvals.keys import blob_of_line, fingerprint, parse
from seconder.approvals.registry import Approver, KeyEntry, Registry
from seconder.plugin.agents.assistants import Detection
from seconder.plugin.approving import presence, signing
from seconder.plugin.approving.signing import AtHand, LocalKey, Signer
from seconder.plugin.terminal.problem import Problem

_ASSISTANT = Detection("Some assistant", "it runs below process 7, some")


def _signers(*lines: str) -> list[Signer]:
    blobs = [blob_of_line(line) for line in lines]
    registry = Registry(
        Approver(
            f"p{number}", f"p{number}", frozenset({"u"}), keys=(KeyEntry("k", blob, parse(blob), fingerprint(blob)),)
        )
        for number, blob in enumerate(blobs)
    )
    local = [LocalKey(line, blob, Path("k"), "k") for line, blob in zip(lines, blobs, strict=True)]
    return signing.registered(AtHand(local, "here"), registry)


def test_a_software_key_is_refused_below_an_assistant_and_a_touched_one_is_not() -> None:
    """The refusal names the assistant and tells no way round it."""
    software, hardware = _signers(key("alice").line, Authenticator().line)
    with pytest.raises(Problem, match=r"Some assistant runs this command .* is a person's") as raised:
        presence.usable([software], _ASSISTANT)
    assert "\n" not in str(raised.value)
    assert presence.usable([software, hardware], _ASSISTANT) == [hardware]
    assert presence.usable([], _ASSISTANT) == []


def test_for_a_person_every_key_does() -> None:
    """Without an assistant nothing is asked."""
    signers = _signers(key("alice").line, Authenticator().line)
    assert presence.usable(signers, None) == signers
    presence.proven(Assurance.SOFTWARE, None)


def test_a_security_key_that_nobody_touched_is_no_touch() -> None:
    """no-touch-required: what was signed decides, not what the key could do."""
    with pytest.raises(Problem, match="touched"):
        presence.proven(Assurance.SOFTWARE, _ASSISTANT)
    presence.proven(Assurance.PRESENCE, _ASSISTANT)
    presence.proven(Assurance.VERIFIED, _ASSISTANT)
