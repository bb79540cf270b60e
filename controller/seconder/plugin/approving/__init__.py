"""What the commands share that read a change, show it, and sign or remove an approval."""
