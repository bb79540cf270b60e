"""Text from clients, made safe to show."""

from typing import Final

from seconder.api.resources import Target

MAX_FIELD: Final = 320
"""Code points that a text from a client may take up. Names in Kubernetes have at most 253."""


def clean(text: str) -> str:
    """Drop control, format (bidi) and line-breaking characters, and shorten what is overlong."""
    if not text.isprintable():
        text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= MAX_FIELD else f"{text[:MAX_FIELD]}..."


def describe(target: Target) -> str:
    """``deployments.apps payments/checkout``."""
    return clean(f"{target.resource} {target.path}")
