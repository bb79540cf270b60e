"""Approvals: the signed statement, its envelopes, who may sign, how it is verified, and when it is enough.

Purity rule: no I/O, no clock, no randomness, no logging, no global state that changes. Time is an argument.
"""
