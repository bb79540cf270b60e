"""Chromium without a window: what it makes of a page, and how that looks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_SECONDS = 60
_SETTLED = 15_000
"""Milliseconds of the page's own time, which passes at once while nothing is on its way."""


def program() -> str:
    """Give the path of ``chromium``; without it the test is not run, and in CI fails."""
    found = shutil.which("chromium")
    if found is None:
        missing = "chromium is not installed: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def page(url: str, folder: Path) -> str:
    """The document as it is once its scripts have run."""
    return _run(folder, 1300, "--dump-dom", url)


def screenshot(url: str, width: int, image: Path) -> None:
    """Keep a picture of the page in a window of this width, in CSS pixels."""
    _run(image.parent, width, f"--screenshot={image}", url)
    assert image.stat().st_size


def _run(folder: Path, width: int, *arguments: str) -> str:
    done = subprocess.run(
        [
            program(),
            "--headless=new",
            "--no-sandbox",  # as root, and of pages of our own only
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'chromium'}",
            f"--window-size={width},2400",
            f"--virtual-time-budget={_SETTLED}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
