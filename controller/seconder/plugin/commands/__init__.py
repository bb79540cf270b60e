"""One module for each verb of ``kubectl seconder``, imported only when it is asked for.

Each has ``parser() -> Parser`` and ``run(arguments: argparse.Namespace) -> int``, which gives the exit code and may
raise what ``main`` turns into one line: Problem, ApiError, NoCredentials, OSError.
"""
