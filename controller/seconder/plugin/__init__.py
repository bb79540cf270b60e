"""``kubectl seconder``: what approvers, auditors and agents' operators type. Each is a module of ``commands``."""
