"""One module for each verb of ``kubectl seconder``, imported only when it is asked for.

Each has ``parser() -> Parser`` and ``run(arguments: argparse.Namespace) -> int`` (the exit code), which may raise what ``main`` turns into one line: Problem, ApiError, NoCredentials, OSError.
"""
