"""``python -m release`` leaves alone what is not its own, and says in a line what it needs."""

from pathlib import Path

import pytest

from release import __main__ as command


@pytest.fixture(autouse=True)
def _signals_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own process goes on handling its signals."""
    monkeypatch.setattr(command, "_STOPPING", ())


def test_a_folder_with_something_else_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever names their home by mistake keeps it."""
    (tmp_path / "letter").write_text("dear")
    monkeypatch.setattr("sys.argv", ["release", f"--into={tmp_path}"])
    assert command.main() == 1
    assert "holds something else than a release" in capsys.readouterr().err
    assert (tmp_path / "letter").read_text() == "dear"


def test_what_is_not_there_or_empty_or_a_release_is_replaced(tmp_path: Path) -> None:
    """So that the command can be given again."""
    assert command._replaceable(tmp_path / "nothing")
    assert command._replaceable(tmp_path)
    (tmp_path / "SHA256SUMS").touch()
    (tmp_path / "seconder.yaml").touch()
    assert command._replaceable(tmp_path)
    assert not command._replaceable(tmp_path / "SHA256SUMS")


def test_a_machine_that_cannot_run_the_images_python_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is left behind."""
    monkeypatch.setattr(command, "here", lambda: None)
    monkeypatch.setattr("sys.argv", ["release", f"--into={tmp_path / 'dist'}"])
    assert command.main() == 1
    assert capsys.readouterr().err == (
        "release: a release is built on Linux, on amd64 or arm64: the image's own Python takes part in it\n"
    )
    assert list(tmp_path.iterdir()) == []
