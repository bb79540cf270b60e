"""Indirect deleters: what ends other objects by a controller's hand, and no ownerReference says so."""
