"""What went wrong, in words for the person at the terminal."""


class Problem(Exception):
    """The command cannot go on. The message is one line that says what to do; nothing was changed.

    ``code`` is the exit code.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
