"""What the commands share that make, renew and recognise agents' credentials."""
