"""The page on which approvers see what waits, and sign for it with a passkey.

It holds no key and decides nothing. What it hands on counts only where the guard finds the approver's own signature on
it; so whoever takes it over can hide or misname a request, and approve none.
"""
