"""What is told of a release agrees with what it is made from."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

import versions
from localstack.errors import StackError
from release import changelog, debian, image, krew, source
from release.fetching import fetched, sha256
from release.platforms import IMAGES, PLUGINS

ROOT = versions.ROOT


def test_the_released_image_is_configured_as_the_dockerfile_has_it() -> None:
    """They are two ways to one image: user, ports, environment, entry point and labels."""
    text = (ROOT / "Dockerfile").read_text().partition("FROM runtime\nARG VERSION")[2].replace("\\\n", " ")
    lines = dict(
        line.split(" ", 1) for line in text.splitlines() if re.match("(ENV|USER|EXPOSE|ENTRYPOINT|LABEL) ", line)
    )
    values = {"${VERSION}": "1.2.3", "${REVISION}": "0a1b"}
    written = {key: re.sub(r"\$\{\w+\}", lambda found: values[found[0]], line) for key, line in lines.items()}
    config = image.config("1.2.3", "0a1b")
    assert config["User"] == written["USER"]
    assert set(config["ExposedPorts"]) == {f"{port}/tcp" for port in written["EXPOSE"].split()}
    assert config["Env"] == written["ENV"].split()
    assert config["Entrypoint"] == yaml.safe_load(written["ENTRYPOINT"])
    assert config["Labels"] == dict(re.findall(r'(\S+?)="([^"]*)"', written["LABEL"]))


def test_both_images_are_made_of_the_same_packages() -> None:
    """At the same versions, each by its digest, and of nothing else than Debian's two archives."""
    locked = debian.locked(ROOT)
    amd64, arm64 = (
        {each.name: each.version for each in locked if each.architecture == platform.architecture}
        for platform in IMAGES
    )
    assert amd64 == arm64
    assert {"base-files", "libc6", "python3.13"} <= set(amd64)
    assert {each.path.partition("/")[0] for each in locked} <= {"debian", "debian-security"}
    assert all(re.fullmatch("[0-9a-f]{64}", each.sha256) for each in locked)


def test_krews_manifest_names_each_archive_with_its_digest(tmp_path: Path) -> None:
    """One for each platform, found below the address that was given."""
    archives = {}
    for platform in PLUGINS:
        archives[platform] = tmp_path / f"x-{platform}.tar.gz"
        archives[platform].write_text(str(platform))
    document = yaml.safe_load(krew.manifest("1.2.3", "https://downloads.example/v1.2.3/", archives))
    assert (document["metadata"]["name"], document["spec"]["version"]) == ("seconder", "v1.2.3")
    assert len(document["spec"]["shortDescription"]) <= 50
    for entry, (platform, archive) in zip(document["spec"]["platforms"], archives.items(), strict=True):
        assert entry["selector"] == {"matchLabels": {"os": platform.system, "arch": platform.architecture}}
        assert entry["uri"] == f"https://downloads.example/v1.2.3/{archive.name}"
        assert entry["sha256"] == sha256(archive)
        assert entry["bin"] == "kubectl-seconder"


def test_the_changelog_keeps_its_form() -> None:
    """Unreleased first, then versions with their dates, the newest first, and no kind of change that the form lacks."""
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert sections[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", each) for each in sections[1:])
    released = [tuple(map(int, version.split("."))) for version in changelog.released(text)]
    assert released == sorted(released, reverse=True)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert "Added" in kinds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## [Unreleased]\n", "has no section for 1.2.3"),
        ("## [Unreleased]\n\n## [1.2.3]\n", "has no date for 1.2.3"),
        ("## [Unreleased]\n\n## [1.2.3] - 2026-11-28\n", ""),
    ],
)
def test_a_release_says_what_its_changelog_lacks(text: str, said: str) -> None:
    """Before anybody publishes it."""
    assert said in changelog.lacks(text, "1.2.3")
    assert bool(said) == bool(changelog.lacks(text, "1.2.3"))


def _checkout(folder: Path) -> Path:
    def git(*arguments: str) -> None:
        times = {"GIT_AUTHOR_DATE": "1700000000 +0900", "GIT_COMMITTER_DATE": "1700000000 +0900"}
        command = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **times})

    folder.mkdir()
    git("init")
    (folder / "kept").write_text("committed")
    git("add", "kept")
    git("commit", "--message=x")
    return folder


def test_a_release_is_of_the_commit_and_of_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the commit's time, unless SOURCE_DATE_EPOCH says another; what is not committed is named."""
    monkeypatch.delenv(source.EPOCH, raising=False)
    root = _checkout(tmp_path / "checkout")
    (root / "kept").write_text("changed")
    (root / "more").touch()
    found = source.commit(root)
    assert (found.epoch, found.created) == (1_700_000_000, "2023-11-14T22:13:20Z")
    assert set(found.uncommitted) == {"kept", "more"}
    source.export(root, found.revision, tmp_path / "exported")
    assert [(path.name, path.read_text()) for path in (tmp_path / "exported").iterdir()] == [("kept", "committed")]
    monkeypatch.setenv(source.EPOCH, "86400")
    assert source.commit(root).created == "1970-01-02T00:00:00Z"
    monkeypatch.setenv(source.EPOCH, "yesterday")
    with pytest.raises(StackError, match="no number of seconds: yesterday"):
        source.commit(root)


def test_outside_a_checkout_there_is_no_release(tmp_path: Path) -> None:
    """In git's own words."""
    with pytest.raises(StackError, match="no checkout to release from"):
        source.commit(tmp_path)


def test_what_is_not_as_it_was_pinned_is_not_taken(tmp_path: Path) -> None:
    """Neither from the cache nor from a mirror."""
    digest = "0" * 64
    (tmp_path / f"{digest}-x.deb").write_text("tampered")
    with pytest.raises(StackError, match=r"x\.deb cannot be had"):
        fetched(list, "pool/x.deb", digest, tmp_path)
    with pytest.raises(StackError, match="no address that begins with http"):
        fetched(lambda: ["file:///etc"], "hostname", digest, tmp_path)
