"""The page for auditors: what it calls proven has a test."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs/compliance.md").read_text()


def test_every_test_that_the_page_for_auditors_names_exists() -> None:
    """A row whose test went is a claim without proof."""
    named = set(re.findall(r"`(test_\w+)`", _PAGE))
    files = (_ROOT / "tests").rglob("test_*.py")
    defined = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert len(named) > 10
    assert named - defined == set()


def test_every_row_for_auditors_names_a_test_or_the_gap() -> None:
    """Or the page where it stands."""
    rows = re.findall(r"^\| (?!item|question|---).*$", _PAGE, re.MULTILINE)
    assert len(rows) > 12
    for row in rows:
        assert re.search(r"`test_|[Gg]ap|\]\(", row.rpartition(" | ")[2]), row
