"""What an update changes, and what of it is free: lists of free paths, and the difference that remains."""
