"""``make release``: everything that is published, in ``dist/``, to the bit alike from the same commit."""
