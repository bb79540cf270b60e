"""What a visitor is told instead of what they asked for."""


class Refused(Exception):
    """A sentence for the visitor, and the HTTP status that goes with it (RFC 9110)."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
