"""Archives are alike for alike content, and programs and folders in them can be used by everybody."""

import gzip
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from release import packing


def _tree(folder: Path, names: list[str], umask: int, when: int) -> Path:
    """Give a folder with files, written in this order, under this umask and at this time."""
    before = os.umask(umask)
    try:
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)
            if path.name == "program":
                path.chmod(path.stat().st_mode | 0o100)
        (folder / "link").symlink_to("a/program")
    finally:
        os.umask(before)
    for path in folder.rglob("*"):
        os.utime(path, (when, when), follow_symlinks=False)
    return folder


NAMES = ["a/program", "a/b/text", "ä", "z", "a-b"]


@pytest.mark.parametrize("compress", [False, True])
def test_a_tar_follows_from_content_alone(compress: bool, tmp_path: Path) -> None:
    """Not from the order of writing, the umask, the time, or the names of folders and files around it."""
    first = _tree(tmp_path / "one", NAMES, 0o022, 1)
    second = _tree(tmp_path / "two", NAMES[::-1], 0o077, 2_000_000_000)
    told = [
        packing.tarred(str(tree), str(tmp_path / name), 1_700_000_000, compress=compress)
        for tree, name in ((first, "x.tar"), (second, "longer name.tar"))
    ]
    assert told[0] == told[1]
    assert (tmp_path / "x.tar").read_bytes() == (tmp_path / "longer name.tar").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["longer name.tar", "one", "two", "x.tar"]
    (second / "z").write_text("Z")
    assert packing.tarred(str(second), str(tmp_path / "x.tar"), 1_700_000_000, compress=compress) != told[0]


def test_a_tar_has_one_owner_one_time_and_usable_modes(tmp_path: Path) -> None:
    """Whoever runs the image reads what somebody with a strict umask has built."""
    tree = _tree(tmp_path / "one", NAMES, 0o077, 1)
    (tree / "tmp").mkdir()
    (tree / "tmp").chmod(0o1777)
    packing.tarred(str(tree), str(tmp_path / "x.tar.gz"), 1_700_000_000, compress=True)
    with gzip.open(tmp_path / "x.tar.gz") as plain, tarfile.open(fileobj=plain) as tar:
        members = {each.name: each for each in tar.getmembers()}
    assert list(members) == ["a", "a-b", "a/b", "a/b/text", "a/program", "link", "tmp", "z", "ä"]
    assert (tmp_path / "x.tar.gz").read_bytes()[4:8] == bytes(4), "gzip's own time"
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in members.values()} == {(0, 0, "", 1_700_000_000)}
    assert members["a/program"].mode == 0o755
    assert members["a/b/text"].mode == 0o644
    assert members["a"].mode == 0o755
    assert members["tmp"].mode == 0o1777
    assert members["link"].linkname == "a/program"


def test_a_zip_follows_from_content_alone(tmp_path: Path) -> None:
    """And can be called as a program by its first line."""
    trees = [_tree(tmp_path / "1", NAMES, 0o022, 1), _tree(tmp_path / "2", NAMES[::-1], 0o077, 2_000_000_000)]
    for number, tree in enumerate(trees):
        packing.zipped(str(tree), str(tmp_path / f"{number}.zip"), 1_700_000_000, "#!/bin/true\n")
    assert (tmp_path / "0.zip").read_bytes() == (tmp_path / "1.zip").read_bytes()
    assert os.access(tmp_path / "0.zip", os.X_OK)
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a-b", "a/b/text", "a/program", "link", "z", "ä"]


def test_compiled_modules_know_no_path_of_this_machine(tmp_path: Path) -> None:
    """The path in tracebacks is the one in the image."""
    bytes_of = []
    for name in ("one", "a folder with another name"):
        source = tmp_path / name / "module.py"
        source.parent.mkdir()
        source.write_text("def f():\n    return {'a', 'b'}\n")
        packing.compiled([(str(source), str(source.with_suffix(".pyc")), "/opt/module.py")])
        bytes_of.append(source.with_suffix(".pyc").read_bytes())
    assert bytes_of[0] == bytes_of[1]
    assert b"/opt/module.py" in bytes_of[0]
    assert str(tmp_path).encode() not in bytes_of[0]
