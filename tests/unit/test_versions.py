"""One version, in one place, and told alike by all that tells it."""

import re
import shutil
from pathlib import Path

import pytest

import versions
from seconder import __main__ as program
from seconder import __version__
from seconder.observability import metrics
from seconder.plugin import main as plugin


def test_programs_plugin_and_metric_tell_the_version_of_pyproject(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` of both, and the constant metric."""
    with pytest.raises(SystemExit) as ended:
        program.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"seconder {versions.version()}\n")
    assert plugin.main(["--version"]) == 0
    assert capsys.readouterr().out == f"kubectl seconder {versions.version()}\n"
    labels = {"version": versions.version(), "revision": "0a1b"}
    assert metrics.registry("0a1b").get_sample_value("seconder_build_info", labels) == 1


def _copy(folder: Path) -> Path:
    """Give a folder with the files that have the version."""
    for name in ("pyproject.toml", *versions._PLACES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(versions.ROOT / name, folder / name)
    return folder


def test_a_new_version_is_written_wherever_it_is_repeated(tmp_path: Path) -> None:
    """A release changes pyproject.toml alone; nothing else in those files changes."""
    root = _copy(tmp_path)
    project = root / "pyproject.toml"
    project.write_text(project.read_text().replace(f'version = "{__version__}"', 'version = "7.8.9"'))
    for path, text in versions.written(root).items():
        before = path.read_text()
        assert text != before
        assert text.replace("7.8.9", __version__) == before


@pytest.mark.parametrize("wrong", ["1.2", "1.2.3rc1", "1.2.3-rc.1", "v1.2.3", "01.2.3", ""])
def test_a_version_that_python_and_helm_read_differently_is_refused(wrong: str, tmp_path: Path) -> None:
    """``1.2.3rc1`` is no Semantic Version, and ``1.2.3-rc.1`` is another version to Python."""
    root = _copy(tmp_path)
    project = root / "pyproject.toml"
    project.write_text(re.sub(r'(?m)^version = ".*"$', f'version = "{wrong}"', project.read_text()))
    with pytest.raises(ValueError, match=r"not of the form 1\.2\.3"):
        versions.version(root)


def test_a_file_without_its_line_is_told(tmp_path: Path) -> None:
    """What is not found would be left at the version before."""
    root = _copy(tmp_path)
    (root / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(ValueError, match="Dockerfile: 0 lines"):
        versions.written(root)
