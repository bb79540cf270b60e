"""That a person approves: below a known AI assistant only a key that is touched for it signs.

A tag, not a lock, as for whom kubectl asks: see docs/assistants.md.
"""

from collections.abc import Sequence

from seconder.api.policy import Assurance
from seconder.plugin.agents import assistants
from seconder.plugin.agents.assistants import Detection
from seconder.plugin.approving.signing import Signer
from seconder.plugin.terminal.problem import Problem


def usable(signers: Sequence[Signer], detection: Detection | None) -> list[Signer]:
    """The keys that a person alone can sign with, where an assistant runs this; else all. Raises Problem for none."""
    if detection is None:
        return list(signers)
    found = [signer for signer in signers if _is_touched(signer)]
    if signers and not found:
        raise refusal(detection)
    return found


def proven(assurance: Assurance, detection: Detection | None) -> None:
    """Raise Problem where an assistant runs this and nobody touched the key."""
    if detection is not None and assurance is Assurance.SOFTWARE:
        raise refusal(detection)


def detect() -> Detection | None:
    """Which assistant runs this command, if any. Raises Problem where that cannot be told."""
    return assistants.detect_here()


def refusal(detection: Detection) -> Problem:
    """The problem that an assistant is no person."""
    return Problem(
        f"{detection.assistant} runs this command ({detection.why}), and an approval is a person's: only a security "
        "key that is touched for it signs here; nothing was changed"
    )


def _is_touched(signer: Signer) -> bool:
    public = signer.registered.entry.public
    return public is not None and public.best_assurance is not Assurance.SOFTWARE
