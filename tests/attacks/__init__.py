"""Attacks on a guard of a cluster, from outside: nothing but an agent's kubeconfig and an administrator's.

Each attack is one function, defined once. ``python -m tests.attacks`` (``make attack``) plays them on any test cluster;
``tests/cluster/test_attacks.py`` plays the same on the control plane of the tests.
"""
