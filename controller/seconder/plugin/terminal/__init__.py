"""The command line: flags, connection, questions, progress and output."""
