"""A real node on this machine, and the image that runs on it: what the end-to-end tests need. Linux and root only."""
