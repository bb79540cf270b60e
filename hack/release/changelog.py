"""CHANGELOG.md, which people keep in the form of https://keepachangelog.com/en/1.1.0/."""

import re
from typing import Final

_SECTION: Final = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def released(text: str) -> dict[str, str]:
    """The date of each version that has a section, the newest first; ``Unreleased`` is none."""
    return {each["version"]: each["date"] or "" for each in _SECTION.finditer(text) if each["version"] != "Unreleased"}


def lacks(text: str, version: str) -> str:
    """What the text lacks for the version to be published, empty for nothing."""
    if version not in released(text):
        return f"CHANGELOG.md has no section for {version} yet: name the one of what is unreleased by it, with the date"
    return "" if released(text)[version] else f"CHANGELOG.md has no date for {version}"
