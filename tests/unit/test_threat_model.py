"""The threat model names tests as proof: each of them exists."""

import re
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_PAGE = (_REPOSITORY / "docs" / "threat-model.md").read_text()


def test_every_test_that_the_threat_model_names_exists() -> None:
    """Under that very name, in some file of tests."""
    named = set(re.findall(r"`(test_\w+)`", _PAGE))
    assert len(named) > 40
    files = [*(_REPOSITORY / "tests").rglob("test_*.py")]
    defined = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert named - defined == set()


def test_every_attack_in_it_names_a_test() -> None:
    """A row without proof is a hope."""
    sections = re.split(r"^## ", _PAGE, flags=re.MULTILINE)
    attacks = [
        row
        for section in sections
        if re.search(r"^\| (attack|harm) \|", section, re.MULTILINE)
        for row in re.findall(r"^\| (?!attack|harm|---).*$", section, re.MULTILINE)
        if not row.startswith("|---")
    ]
    assert len(attacks) > 25
    assert [row for row in attacks if "`test_" not in row and "attack `" not in row] == []
