"""``kubectl seconder``: what approvers, auditors and agents' operators type. Every verb is a module of ``verbs``."""
