"""What went wrong, in words for the person at the terminal."""


class Problem(Exception):
    """The command cannot go on. The message is one line that says what to do; nothing was changed."""
