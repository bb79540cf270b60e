"""The decision and everything it rests on.

Purity rule: no I/O, no clock, no randomness, no logging, no global state that changes. Time is an argument. Values are
frozen: dataclasses, or msgspec's cheaper structs where one is made for every request. ``cryptography`` checks
signatures. Verification raises ``Rejected``; decisions are returned. Import-linter holds this package to it.
"""
