"""What the commands share that read audit logs and report on them."""
