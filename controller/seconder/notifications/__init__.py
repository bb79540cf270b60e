"""Tells people and programs outside the cluster what waits for a peer, and what became of it.

A message decides nothing: one that is lost changes no decision, and none is ever read here. Queues, waits and sizes are
bounded.
"""
