"""A packed plugin unpacks itself where nobody else can put anything, once, and says why it does not."""

import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from release import packing, plugin, unpacked

_MAIN = """\
import json, sys
def main():
    print(json.dumps({"file": __file__, "arguments": sys.argv[1:], "isolated": sys.flags.isolated}))
    return 7
"""
DIGEST = "0a" * 32
FITTING: dict[str, Any] = {
    "system": sys.platform,
    "architecture": "here",
    "machines": [os.uname().machine],
    "pythons": [[3, 11], list(sys.version_info[:2])],
    "digest": DIGEST,
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A packed plugin that only tells where it runs from."""
    return _packed(tmp_path, FITTING)


def _packed(folder: Path, about: dict[str, Any]) -> Path:
    tree = folder / "tree"
    modules = tree / "site/seconder/plugin"
    modules.mkdir(parents=True, exist_ok=True)
    (tree / "site/seconder/__init__.py").touch()
    (modules / "__init__.py").touch()
    (modules / "main.py").write_text(_MAIN)
    (modules / "complete.py").write_text(_MAIN.replace("return 7", "return 8"))
    (tree / "__main__.py").write_text(plugin._MAIN)
    (tree / "unpacked.py").write_text(Path(unpacked.__file__).read_text())
    (tree / "packed.json").write_text(json.dumps(about))
    target = folder / "kubectl-seconder"
    packing.zipped(str(tree), str(target), 0, plugin._FIRST_LINE)
    return target


def _run(program: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin", **environment})


def _told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 7, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_it_is_unpacked_once_where_only_its_user_writes(archive: Path, tmp_path: Path) -> None:
    """Below the cache of the user, by the digest of what is packed; the second command finds it there."""
    cache = tmp_path / "cache"
    told = _told(_run(archive, "a", "--b", XDG_CACHE_HOME=str(cache)))
    assert told["arguments"] == ["a", "--b"]
    base = cache / "seconder/plugin"
    assert Path(told["file"]).is_relative_to(base / DIGEST)
    assert base.stat().st_mode & 0o777 == 0o700
    before = (base / DIGEST).stat().st_mtime_ns
    assert _told(_run(archive, XDG_CACHE_HOME=str(cache)))["file"] == told["file"]
    assert (base / DIGEST).stat().st_mtime_ns == before
    assert [path.name for path in base.iterdir()] == [DIGEST]


def test_many_commands_may_begin_at_once(archive: Path, tmp_path: Path) -> None:
    """One folder is left, and no command sees it half full."""
    with ThreadPoolExecutor(8) as pool:
        ran = list(pool.map(lambda _: _run(archive, XDG_CACHE_HOME=str(tmp_path / "cache")), range(8)))
    assert len({_told(done)["file"] for done in ran}) == 1
    assert [path.name for path in (tmp_path / "cache/seconder/plugin").iterdir()] == [DIGEST]


def test_what_another_command_has_just_moved_is_in_nobodys_way(archive: Path, tmp_path: Path) -> None:
    """It was listed a moment ago, and is not there any more."""
    base = tmp_path / "cache/seconder/plugin"
    base.mkdir(mode=0o700, parents=True)
    (base / ".new-moved").symlink_to(tmp_path / "moved")
    told = _told(_run(archive, XDG_CACHE_HOME=str(tmp_path / "cache")))
    assert Path(told["file"]).is_relative_to(base / DIGEST)


def _writable_base(base: Path) -> None:
    base.mkdir(parents=True)
    base.chmod(0o777)


def _linked_base(base: Path) -> None:
    other = base.parents[2] / "others"
    other.mkdir()
    base.parent.mkdir(parents=True)
    base.symlink_to(other)


def _linked_content(base: Path) -> None:
    _planted(base.parents[2] / "others")
    base.mkdir(mode=0o700, parents=True)
    (base / DIGEST).symlink_to(base.parents[2] / "others")


def _writable_content(base: Path) -> None:
    base.mkdir(mode=0o700, parents=True)
    _planted(base / DIGEST)
    (base / DIGEST).chmod(0o775)


def _file_in_its_place(base: Path) -> None:
    base.parent.mkdir(parents=True)
    base.touch()


def _planted(folder: Path) -> None:
    (folder / "seconder/plugin").mkdir(parents=True)
    (folder / "seconder/plugin/main.py").write_text("raise SystemExit('planted')")


@pytest.mark.parametrize(
    "prepare", [_writable_base, _linked_base, _linked_content, _writable_content, _file_in_its_place]
)
def test_nothing_is_run_from_where_others_could_have_put_it(prepare: Any, archive: Path, tmp_path: Path) -> None:
    """A temporary folder does then, which is gone afterwards; and so where there is no cache at all."""
    base = tmp_path / "cache/seconder/plugin"
    prepare(base)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    told = _told(_run(archive, XDG_CACHE_HOME=str(tmp_path / "cache"), TMPDIR=str(temporary)))
    assert Path(told["file"]).is_relative_to(temporary)
    assert list(temporary.iterdir()) == []


def test_a_link_by_the_second_name_completes(archive: Path, tmp_path: Path) -> None:
    """As kubectl looks for completion of plugins."""
    link = tmp_path / "kubectl_complete-seconder"
    link.symlink_to(archive)
    assert _run(link, XDG_CACHE_HOME=str(tmp_path / "cache")).returncode == 8


def test_completion_unpacks_nothing_at_each_key(archive: Path, tmp_path: Path) -> None:
    """Where nothing can be kept, it offers nothing, in cobra's words."""
    link = tmp_path / "kubectl_complete-seconder"
    link.symlink_to(archive)
    _file_in_its_place(tmp_path / "cache/seconder/plugin")
    done = _run(link, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout) == (0, ":4\n")


def test_what_others_left_half_done_is_cleared_once_it_is_old(archive: Path, tmp_path: Path) -> None:
    """A command that was killed leaves a folder behind; one that runs now is not disturbed."""
    base = tmp_path / "cache/seconder/plugin"
    base.mkdir(mode=0o700, parents=True)
    for name, age in ((".new-old", 1.0), (".new-now", None)):
        (base / name).mkdir()
        if age is not None:
            os.utime(base / name, (age, age))
    _told(_run(archive, XDG_CACHE_HOME=str(tmp_path / "cache")))
    assert sorted(path.name for path in base.iterdir()) == [".new-now", DIGEST]


@pytest.mark.parametrize(
    "other",
    [{"system": "plan9"}, {"machines": ["vax"]}, {"pythons": [[3, 8], [3, 9]]}],
    ids=["system", "machine", "python"],
)
def test_another_systems_file_says_what_to_take(other: dict[str, Any], tmp_path: Path) -> None:
    """One line instead of a loader's complaint, and nothing is unpacked."""
    done = _run(_packed(tmp_path, FITTING | other), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: this file is for CPython ")
    assert done.stderr.endswith("take the one for this system, or install the wheel with pip\n")
    assert not (tmp_path / "cache").exists()


def test_a_damaged_file_says_so(archive: Path, tmp_path: Path) -> None:
    """As after a download that broke off, as far as Python itself can begin with it."""
    with zipfile.ZipFile(archive) as file:
        content = {name: file.read(name) for name in file.namelist() if name != "packed.json"}
    with zipfile.ZipFile(archive, "w") as file:
        for name, each in content.items():
            file.writestr(name, each)
    done = _run(archive, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert "Traceback" not in done.stderr
