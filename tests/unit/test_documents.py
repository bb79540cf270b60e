"""Each command that a document shows is executed by a test, or says why it is not."""

import re
from pathlib import Path

import pytest
from tests.support.documents import PAGES, REPOSITORY, blocks

_TESTED = re.compile(r"setup|executed|executed: refused|executed by (?P<test>[\w/]+\.py)(?:: \w+)?")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_LEFT_OUT = re.compile(r"not executed: (?P<reason>.{10,})")


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES])
def test_every_command_of_a_page_is_executed_or_says_why_not(page: Path) -> None:
    """A command that nobody runs is wrong some day; one that stands beside no reason was forgotten."""
    for block in blocks(page):
        tested = _TESTED.fullmatch(block.mark)
        assert tested or _LEFT_OUT.fullmatch(block.mark), f"how are these tested?\n{block.commands}"
        if tested and tested["test"]:
            assert (REPOSITORY / tested["test"]).is_file(), f"{tested['test']} is not there"


def test_there_are_pages_with_commands() -> None:
    """A check without commands would check nothing."""
    assert sum(len(blocks(page)) for page in PAGES) > 10


def _linked(page: Path) -> set[Path]:
    return {(page.parent / target).resolve() for target in _LINK.findall(page.read_text())}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES])
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """To a file or a folder of this repository."""
    assert [target for target in sorted(_linked(page)) if not target.exists()] == []


def test_every_page_is_linked_from_another() -> None:
    """What no page leads to, nobody reads; a folder that is linked leads to what is in it."""
    linked = set().union(*(_linked(page) - {page.resolve()} for page in PAGES))
    pages = {page.resolve() for page in PAGES if page.resolve() != (REPOSITORY / "README.md").resolve()}
    assert sorted(page for page in pages if page not in linked and page.parent not in linked) == []
