"""A release: built twice it is the same, and what is in it runs, by itself.

Needs neither root nor a node. What the working tree holds is built, committed in a clone.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

import versions
from localstack.binaries import provide
from localstack.errors import StackError
from localstack.pins import Binary
from node.prerequisites import required
from release import debian, plugin, wheels
from release.pinned import PYTHON
from release.platforms import IMAGES, PLUGINS, PYTHONS, here

ROOT = versions.ROOT
VERSION = versions.version()
PROGRAM = "kubectl-seconder"
UNCHECKED_HASH = 0b01
"""Flags in a .pyc's second word: by hash, and never checked. Source: PEP 552."""


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _take_what_debian_has(checkout: Path, figures: dict[str, str]) -> None:
    """Lock Debian's packages anew where mirrors have replaced some: that says nothing about how releases are built."""
    try:
        debian.downloaded(debian.locked(checkout), lambda _: None)
    except StackError:
        command = [sys.executable, "-m", "release.debian_lock"]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(checkout / "hack")})
        figures["debian.lock"] = "outdated: run make lock-debian"


def _checkouts(folder: Path, figures: dict[str, str]) -> tuple[Path, Path]:
    """Give two clones of one commit that has what the working tree has."""
    first, second = folder / "one", folder / "elsewhere" / "two"
    _git(folder, "clone", "--quiet", str(ROOT), str(first))
    changed = _git(ROOT, "ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard").split("\0")
    for name in {name for name in changed if name}:
        if (ROOT / name).exists():
            (first / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, first / name)
        else:
            (first / name).unlink(missing_ok=True)
    _take_what_debian_has(first, figures)
    _git(first, "add", "--all")
    _git(first, "commit", "--quiet", "--allow-empty", "--message=as the working tree is")
    second.parent.mkdir()
    _git(folder, "clone", "--quiet", str(first), str(second))
    return first, second


def _build(checkout: Path, umask: int, **environment: str) -> Path:
    """Build as ``make release`` does, by the checkout's own code."""
    done = subprocess.run(
        [sys.executable, "-m", "release", "--source", checkout],
        capture_output=True,
        text=True,
        check=False,
        cwd=checkout.parent,
        umask=umask,
        env={**os.environ, "PYTHONPATH": str(checkout / "hack"), **environment},
    )
    assert done.returncode == 0, done.stderr
    assert "Built and not run: " in done.stdout
    assert [path.name for path in checkout.iterdir() if path.name.startswith(".release-")] == []
    return checkout / "dist"


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory, figures: dict[str, str]) -> tuple[Path, Path]:
    """Two releases of one commit, built in different folders, under different users' settings, not at the same time."""
    first, second = _checkouts(tmp_path_factory.mktemp("release"), figures)
    strange = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "7", "COLUMNS": "40"}
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(_build, first, 0o022, PYTHONHASHSEED="1")
        two = pool.submit(_build, second, 0o077, **strange)
        return one.result(), two.result()


@pytest.fixture(scope="session")
def release(releases: tuple[Path, Path]) -> Path:
    """The first of them."""
    return releases[0]


def test_two_builds_of_a_commit_are_equal(releases: tuple[Path, Path]) -> None:
    """To the bit, each file of it."""
    first, second = (
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in release.iterdir()} for release in releases
    )
    assert first == second
    assert len(first) == 7 + 3 * len(PLUGINS)


def test_the_sums_are_of_every_file(release: Path) -> None:
    """As ``sha256sum --check`` reads them."""
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=release, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    listed = {line.split("  ")[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in release.iterdir()} - {"SHA256SUMS"}


class Image:
    """The image of one architecture, unpacked from the archive. ``root``: its file system; ``config``: its settings."""

    def __init__(self, archive: Path, architecture: str, root: Path) -> None:
        with tarfile.open(archive) as tar:
            layout = json.loads(_content(tar, "index.json"))
            (self.index,) = layout["manifests"]
            index = json.loads(_blob(tar, self.index))
            (described,) = [each for each in index["manifests"] if each["platform"]["architecture"] == architecture]
            manifest = json.loads(_blob(tar, described))
            whole = json.loads(_blob(tar, manifest["config"]))
            assert whole["architecture"] == architecture
            self.config: dict[str, Any] = whole["config"]
            self.root = root
            for layer, diff_id in zip(manifest["layers"], whole["rootfs"]["diff_ids"], strict=True):
                plain = gzip.decompress(_blob(tar, layer))
                assert f"sha256:{hashlib.sha256(plain).hexdigest()}" == diff_id
                _unpack(plain, root)

    def run(self, *command: str) -> str:
        """Run a program in the image, as the image's user where we may become that; give its output."""
        # Found by our PATH and not by the image's, in which there is hardly anything.
        chroot = str(required("chroot"))
        enter = (
            [str(required("unshare")), "--map-root-user", chroot]
            if os.geteuid()
            else [chroot, "--userspec=65532:65532"]
        )
        done = subprocess.run(
            [*enter, str(self.root), *command],
            capture_output=True,
            text=True,
            check=False,
            env=dict(each.split("=", 1) for each in self.config["Env"]),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _unpack(plain: bytes, root: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(plain)) as layer:
        assert {(each.uid, each.gid) for each in layer} == {(0, 0)}
        layer.extractall(root, filter="tar")


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def _blob(tar: tarfile.TarFile, descriptor: dict[str, Any]) -> bytes:
    content = _content(tar, f"blobs/{descriptor['digest'].replace(':', '/')}")
    assert len(content) == descriptor["size"]
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == descriptor["digest"]
    return content


@pytest.fixture(scope="session", params=IMAGES, ids=str)
def image(request: pytest.FixtureRequest, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Each image; one of them is for another machine than this."""
    folder = tmp_path_factory.mktemp("image")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)  # its user looks in
    return Image(release / f"seconder-{VERSION}-image.oci.tar", request.param.architecture, folder)


def _runs_here(image: Image, request: pytest.FixtureRequest) -> bool:
    del image
    return bool(request.node.callspec.params["image"] == here())


def test_both_programs_start_from_the_image(image: Image, request: pytest.FixtureRequest) -> None:
    """With all that they import. The one for another machine is only put together here: its parts are checked below."""
    own = Path(image.root, "opt/seconder/lib/python3.13/site-packages/seconder/__init__.py")
    assert own.is_file()
    assert image.config["Entrypoint"] == ["seconder"]
    if _runs_here(image, request):
        assert image.run("/opt/seconder/bin/seconder", "--version") == f"seconder {VERSION}\n"
        imports = (
            "import kopf, uvloop, httptools, apprise, cloudevents, seconder.startup, seconder.operator.kopf_watches"
        )
        script = (
            f"{imports}, sqlite3, ssl, zoneinfo; ssl.create_default_context(); print(zoneinfo.ZoneInfo('Europe/Rome'))"
        )
        assert image.run("/opt/seconder/bin/python", "-c", script) == "Europe/Rome\n"


def test_every_compiled_part_finds_its_libraries(image: Image) -> None:
    """In the image itself, and for its own machine: what cannot be run here could be loaded there."""
    files = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    elves = [path for path in files if path.read_bytes()[:4] == b"\x7fELF"]
    assert len(elves) > 100
    names = {path.name for path in image.root.rglob("*.so*")}
    machines = set()
    for path in elves:
        with path.open("rb") as file:
            elf = ELFFile(file)
            machines.add(elf["e_machine"])
            for section in elf.iter_sections():
                if isinstance(section, DynamicSection):
                    tags: Iterator[Any] = section.iter_tags("DT_NEEDED")
                    needed = {tag.needed for tag in tags}
                    assert needed <= names, path
    assert len(machines) == 1


def test_every_module_is_compiled_for_good(image: Image) -> None:
    """A read-only pod could not keep what it compiles, and would compile at every start."""
    folders = (image.root / name for name in ("opt/seconder/lib", "usr/lib/python3.13"))
    sources = [path for folder in folders for path in folder.rglob("*.py") if not path.is_symlink()]
    assert len(sources) > 2000
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        assert int.from_bytes(compiled.read_bytes()[4:8], "little") == UNCHECKED_HASH, source


def test_there_is_no_shell_and_nothing_of_the_build(image: Image) -> None:
    """Neither an installer, nor a path of the machine that built it, nor a user that could log in."""
    programs = {path.name for folder in ("usr/bin", "usr/sbin") for path in (image.root / folder).iterdir()}
    assert not programs & {"sh", "bash", "dash", "apt", "apt-get", "dpkg", "pip", "perl", "tar"}
    packages = image.root / "opt/seconder/lib/python3.13/site-packages"
    assert not [name for name in ("pip", "setuptools", "cyclonedx", "installer") if (packages / name).exists()]
    assert "/bin/sh" not in (image.root / "etc/passwd").read_text()
    assert image.config["User"] == "65532:65532"


def test_the_images_bill_lists_all_that_is_in_it(image: Image, release: Path, request: pytest.FixtureRequest) -> None:
    """By the lock and by dpkg's own list; valid by CycloneDX's schema; the same beside the image and in it."""
    architecture = request.node.callspec.params["image"].architecture
    text = (release / f"seconder-{VERSION}-image-{architecture}.cdx.json").read_text()
    assert text == (image.root / "usr/share/sbom/seconder.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    purls = [each["purl"] for each in json.loads(text)["components"]]
    listed = {purl.removeprefix("pkg:pypi/") for purl in purls if purl.startswith("pkg:pypi/")}
    needed = wheels.needed(wheels.locked(ROOT), request.node.callspec.params["image"], PYTHON)
    assert listed == {f"{each.name}{each.requirement.specifier}".replace("==", "@") for each in needed}
    shown = ["dpkg-query", f"--admindir={image.root}/var/lib/dpkg", "--show", "--showformat=${Package} ${Version}\n"]
    lines = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.splitlines()
    locked = [each for each in debian.locked(release.parent) if each.architecture == architecture]
    assert sorted(lines) == sorted(f"{each.name} {each.version}" for each in locked)
    assert len([purl for purl in purls if purl.startswith("pkg:deb/debian/")]) == len(locked)


def test_the_chart_asks_for_the_image_that_was_built_beside_it(release: Path, image: Image) -> None:
    """By its digest; the registry is all that is left to say. Another tag has to be meant."""
    chart = str(release / f"seconder-{VERSION}.tgz")

    def template(*values: str) -> subprocess.CompletedProcess[str]:
        helm = provide((Binary.HELM,), any_kubectl=False)[Binary.HELM]
        flags = [f"--set={value}" for value in values]
        return subprocess.run(
            [helm, "template", "seconder", chart, *flags], capture_output=True, text=True, check=False
        )

    done = template("image.repository=REGISTRY/seconder")
    assert done.returncode == 0, done.stderr
    images = set(re.findall(r"image: (.*)", done.stdout))
    assert images == {f'"REGISTRY/seconder@{image.index["digest"]}"'}
    assert "image.tag and image.digest are both set" in template("image.tag=mine").stderr
    assert 'image: "seconder:mine"' in template("image.tag=mine", "image.digest=").stdout
    with tarfile.open(chart) as tar:
        assert f'| `image.digest` | `"{image.index["digest"]}"` |'.encode() in _content(tar, "seconder/README.md")


def _interpreters() -> Iterator[str]:
    """Give every Python on this machine that the plugin is packed for."""
    for python in PYTHONS:
        version = ".".join(map(str, python))
        if found := shutil.which(f"python{version}"):
            done = subprocess.run(
                [found, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                yield done.stdout.strip()


@pytest.fixture(scope="session")
def packed(release: Path) -> Path:
    """The packed plugin for this machine."""
    return release / f"{PROGRAM}-{VERSION}-{here()}.pyz"


def test_the_packed_plugin_needs_python_alone(packed: Path, tmp_path: Path) -> None:
    """No package that is installed, under each Python there is here: it verifies, reads YAML, and knows its version."""
    approver = {
        "apiVersion": "seconder.dev/v1alpha1",
        "kind": "Approver",
        "metadata": {"name": "alice"},
        "spec": {
            "principal": "alice@example.com",
            "kubernetesUsers": ["alice"],
            "keys": [{"name": "laptop", "ssh": _public_key(tmp_path)}],
        },
    }
    (tmp_path / "alice.yaml").write_text(yaml.safe_dump(approver))
    tried = {sys.executable, *_interpreters()}
    for python in tried:
        for number, (arguments, said) in enumerate(
            [
                (["--version"], f"kubectl seconder {VERSION}\n"),
                (["keys", "lint", str(tmp_path / "alice.yaml")], "laptop"),
            ]
        ):
            done = subprocess.run(
                [python, "-I", "-S", packed, *arguments],
                capture_output=True,
                text=True,
                check=False,
                env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path / f"cache{number}")},
            )
            assert done.returncode == 0, f"{python}: {done.stderr}"
            assert said in done.stdout, python


def _public_key(folder: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    return (folder / "key.pub").read_text().strip()


def test_kubectl_finds_the_packed_plugin_and_its_completion(release: Path, tmp_path: Path) -> None:
    """From the archive that krew takes, under the names that kubectl looks for."""
    with tarfile.open(release / f"{PROGRAM}-{VERSION}-{here()}.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "kubectl_complete-seconder").symlink_to(PROGRAM)
    kubectl = provide((Binary.KUBECTL,), any_kubectl=False)[Binary.KUBECTL]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(*arguments: str) -> str:
        done = subprocess.run([kubectl, *arguments], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("seconder", "--version") == f"kubectl seconder {VERSION}\n"
    assert "replay\t" in run("__complete", "seconder", "rep")


def test_krews_manifest_names_the_archives(release: Path) -> None:
    """By their digests, each with the program in it."""
    manifest = yaml.safe_load((release / "seconder.yaml").read_text())
    assert manifest["spec"]["version"] == f"v{VERSION}"
    assert len(manifest["spec"]["platforms"]) == len(PLUGINS)
    for entry in manifest["spec"]["platforms"]:
        archive = release / entry["uri"].rpartition("/")[2]
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == entry["sha256"]
        with tarfile.open(archive) as tar:
            (program,) = tar.getmembers()
        assert (program.name, program.mode) == (entry["bin"], 0o755)


@pytest.mark.parametrize("platform", PLUGINS, ids=str)
def test_the_plugins_bill_is_of_its_very_wheels(platform: Any, release: Path) -> None:
    """Valid by the schema, and each wheel is one that the lock admits."""
    text = (release / f"{PROGRAM}-{VERSION}-{platform}.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    admitted = {digest for each in wheels.locked(ROOT) for digest in each.digests}
    components = json.loads(text)["components"]
    assert {each["name"] for each in components} == plugin.PACKAGES
    assert {digest["content"] for each in components for digest in each["hashes"]} <= admitted


def test_the_wheel_tells_the_version(release: Path) -> None:
    """And brings what it is installed with."""
    wheel = wheels.read(release / f"seconder-{VERSION}-py3-none-any.whl")
    assert (wheel.name, wheel.version) == ("seconder", VERSION)
