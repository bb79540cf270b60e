"""Seconder: an agent may move the motion; only a peer can second it."""

__version__ = "0.1.0"
