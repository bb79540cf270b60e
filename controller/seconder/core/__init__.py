"""The decision and everything it rests on.

Purity rule: no I/O, no clock, no randomness, no logging, no global state that changes. Time is an argument. Values are
the standard library's; ``cryptography`` checks signatures and ``msgspec`` parses the signed statement. Verification
raises ``Rejected``; decisions are returned. Import-linter holds this package to it.
"""
