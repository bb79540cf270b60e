"""What the Dockerfile says twice agrees."""

import re

from node import image


def test_the_default_version_is_the_packages() -> None:
    """A plain docker build labels the image rightly too."""
    text = (image.REPOSITORY / "Dockerfile").read_text()
    assert re.findall(r"^ARG VERSION=(.*)$", text, re.MULTILINE) == [image.version()]
