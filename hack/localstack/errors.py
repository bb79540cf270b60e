"""What a user of the local stack is told when something does not work."""


class StackError(Exception):
    """Something went wrong that a person can act on.

    The message says what happened and what to do; it is shown without a traceback.
    """
