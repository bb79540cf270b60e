"""Which binaries are taken from where, and what the cache calls them."""

import io
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localstack import binaries, pins
from localstack.binaries import ASSETS, Place, cache_folder, client_version, find, present_in, provide, within_skew
from localstack.build import program_name
from localstack.errors import StackError
from localstack.pins import Binary, cache_key, required_go, required_version
from localstack.toolchain import go_environment, suffices


def put(folder: Path, *names: str, script: str = "#!/bin/sh\n") -> Path:
    """Make executable files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder


def kubectl_saying(version: str) -> str:
    """Give a script that answers ``kubectl version`` like kubectl does."""
    return f"#!/bin/sh\necho '{json.dumps({'clientVersion': {'gitVersion': version}})}'\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give an environment with an empty cache and an empty PATH."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path / "path")}


@pytest.fixture
def cached(environment: dict[str, str]) -> Path:
    """Give the folder of the cache for the versions of today."""
    return cache_folder(environment) / cache_key()


def test_nothing_is_found_where_nothing_is(environment: dict[str, str]) -> None:
    """An empty machine has to build everything."""
    assert find(environment, any_kubectl=True) == {}


def test_assets_come_before_the_cache(environment: dict[str, str], cached: Path, tmp_path: Path) -> None:
    """KUBEBUILDER_ASSETS wins for what it has; the cache has the rest."""
    assets = put(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    put(cached, "etcd", "kube-controller-manager")
    found = find(environment | {ASSETS: str(assets)}, any_kubectl=False)
    assert {binary: place.title for binary, place in found.items()} == {
        Binary.ETCD: ASSETS,
        Binary.APISERVER: ASSETS,
        Binary.KUBECTL: ASSETS,
        Binary.CONTROLLER_MANAGER: "cache",
    }


@pytest.mark.parametrize(("version", "taken"), [("v1.36.9", True), ("v1.35.9", False)])
def test_kubectl_on_path_is_taken_within_skew(
    environment: dict[str, str], tmp_path: Path, version: str, taken: bool
) -> None:
    """The user's kubectl saves a build, but only one that may talk to this API server."""
    path = put(tmp_path / "path", "kubectl", script=kubectl_saying(version))
    found = find(environment, any_kubectl=True)
    assert found == ({Binary.KUBECTL: Place(path, "PATH")} if taken else {})


def test_kubectl_on_path_is_left_alone_when_the_pinned_one_is_asked_for(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Tests run with the pinned kubectl, whatever the machine has."""
    put(tmp_path / "path", "kubectl", script=kubectl_saying(pins.KUBERNETES_VERSION))
    assert find(environment, any_kubectl=False) == {}


def test_a_built_kubectl_comes_before_the_one_on_path(
    environment: dict[str, str], cached: Path, tmp_path: Path
) -> None:
    """Once the pinned kubectl is there it is used."""
    put(tmp_path / "path", "kubectl", script=kubectl_saying(pins.KUBERNETES_VERSION))
    put(cached, "kubectl")
    assert find(environment, any_kubectl=True)[Binary.KUBECTL].title == "cache"


def test_only_executable_files_count(tmp_path: Path) -> None:
    """A folder or a data file of the right name is no binary."""
    put(tmp_path, "etcd")
    (tmp_path / "kubectl").mkdir()
    (tmp_path / "kube-apiserver").write_text("")
    assert present_in(tmp_path) == [Binary.ETCD]


def test_what_assets_lack_and_where_the_rest_came_from_is_said(
    environment: dict[str, str], cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user sees why the cache was asked although KUBEBUILDER_ASSETS is set."""
    assets = put(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    put(cached, "kube-controller-manager")
    for key, value in (environment | {ASSETS: str(assets)}).items():
        monkeypatch.setenv(key, value)
    stream = io.StringIO()
    paths = provide(any_kubectl=False, stream=stream)
    assert paths[Binary.CONTROLLER_MANAGER] == cached / "kube-controller-manager"
    assert paths[Binary.ETCD] == assets / "etcd"
    assert stream.getvalue().splitlines() == [
        f"KUBEBUILDER_ASSETS has no kube-controller-manager ({assets})",
        f"etcd, kube-apiserver, kubectl: from KUBEBUILDER_ASSETS ({assets})",
        f"kube-controller-manager: from cache ({cached})",
    ]


def test_only_what_is_missing_is_built(
    environment: dict[str, str], cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first demo builds what it needs; what is there is not built again."""
    put(cached, "etcd", "kubectl")
    asked: list[list[Binary]] = []

    def build(_: Path, wanted: list[Binary], into: Path, __: io.StringIO) -> None:
        asked.append(wanted)
        put(into, *wanted)

    monkeypatch.setattr(binaries, "find_go", lambda *_: Path("go"))
    monkeypatch.setattr(binaries, "build", build)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv(ASSETS, raising=False)
    paths = provide(any_kubectl=False, stream=io.StringIO())
    assert asked == [[Binary.APISERVER, Binary.CONTROLLER_MANAGER]]
    assert all(path.is_file() for path in paths.values())


def test_what_another_build_finished_while_we_waited_is_not_built_again(
    environment: dict[str, str], cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two first runs at once cost one build."""

    @contextmanager
    def locked(*_: object) -> Iterator[None]:
        put(cached, *Binary)
        yield

    monkeypatch.setattr(binaries, "locked", locked)
    monkeypatch.setattr(binaries, "find_go", lambda *_: pytest.fail("a build was begun"))
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv(ASSETS, raising=False)
    assert all(path.parent == cached for path in provide(any_kubectl=False, stream=io.StringIO()).values())


def test_nothing_that_is_not_wanted_is_provided(environment: dict[str, str], cached: Path) -> None:
    """A story without controllers neither waits for kube-controller-manager nor gets one."""
    put(cached, "etcd", "kubectl")
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        patch.delenv(ASSETS, raising=False)
        paths = provide([Binary.ETCD, Binary.KUBECTL], any_kubectl=True, stream=io.StringIO())
    assert paths == {Binary.ETCD: cached / "etcd", Binary.KUBECTL: cached / "kubectl"}


def test_a_relative_cache_home_is_ignored() -> None:
    """The XDG specification says that such a value is invalid."""
    assert cache_folder({"XDG_CACHE_HOME": "here"}) == Path.home() / ".cache" / "seconder" / "bin"
    assert cache_folder({"XDG_CACHE_HOME": "/there"}) == Path("/there/seconder/bin")


def test_cache_key_names_versions_and_system() -> None:
    """Someone who looks into the cache can tell what is there."""
    assert cache_key().startswith(f"kubernetes-{pins.KUBERNETES_VERSION}-etcd-{pins.ETCD_VERSION}-")


@pytest.mark.parametrize("changed", ["flags", "go.mod", "go.sum", "machine"])
def test_cache_key_changes_with_all_that_makes_a_binary(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old build is never taken for one of other versions, flags or systems."""
    before = cache_key()
    assert before == cache_key()
    if changed == "flags":
        modules = tuple(
            pins.Module(module.name, module.title, module.programs, (*module.flags, "-race")) for module in pins.MODULES
        )
        monkeypatch.setattr(pins, "MODULES", modules)
    elif changed == "machine":
        monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    else:
        for module in pins.MODULES:
            (tmp_path / module.name).mkdir()
            for file in ("go.mod", "go.sum"):
                text = (module.folder / file).read_text() + ("\n// x\n" if file == changed else "")
                (tmp_path / module.name / file).write_text(text)
        monkeypatch.setattr(pins, "GO_MODULES", tmp_path)
    assert cache_key() != before


def test_versions_are_read_from_go_mod() -> None:
    """Versions stand in one place; a longer module path is not mistaken for the one asked for."""
    text = (
        "module m\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes/x v9.9.9\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\n"
    )
    assert required_version("k8s.io/kubernetes", text) == "v1.37.2"
    assert required_go(text) == (1, 26)
    with pytest.raises(StackError):
        required_version("k8s.io/api", text)


@pytest.mark.parametrize(
    ("version", "within"),
    [
        ("v1.35.9", False),
        ("v1.36.0", True),
        ("v1.37.2", True),
        ("v1.38.0-alpha.1", True),
        ("v1.39.0", False),
        ("v1.3.7", False),
        ("v2.37.0", False),
        ("v0.0.0-master+$Format:%H$", False),
        ("", False),
        (None, False),
    ],
)
def test_kubectl_may_be_one_minor_release_apart(
    version: str | None, within: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes' version skew policy for kubectl: one minor release older or newer."""
    monkeypatch.setattr(binaries, "KUBERNETES_VERSION", "v1.37.2")
    assert within_skew(version) is within


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho '{}'\n", "#!/bin/sh\necho '[]'\n", "junk"])
def test_a_kubectl_that_gives_no_version_is_none_to_take(tmp_path: Path, script: str) -> None:
    """A broken kubectl on PATH is passed over, not fatal."""
    put(tmp_path, "kubectl", script=script)
    assert client_version(tmp_path / "kubectl") is None


@pytest.mark.parametrize(
    ("version", "enough"),
    [("go1.26.0", True), ("go1.26rc1", True), ("go1.27.3", True), ("go1.25.9", False), ("go1.3", False), ("", False)],
)
def test_go_is_taken_from_its_required_release_on(version: str, enough: bool) -> None:
    """An older Go cannot build the pinned modules; GOTOOLCHAIN=local keeps it from fetching another."""
    assert suffices(version) is enough


def test_a_build_takes_nothing_from_the_users_go_settings() -> None:
    """No C compiler, no toolchain download, no workspace, no change of go.mod."""
    environment = go_environment({"GOFLAGS": "-mod=mod", "CGO_ENABLED": "1", "HOME": "/h"})
    assert environment == environment | {
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
        "HOME": "/h",
    }


def test_a_program_is_named_after_the_last_part_that_is_no_version() -> None:
    """Go's own rule for the name of what it builds."""
    assert program_name("go.etcd.io/etcd/server/v3") == "server"
    assert program_name("k8s.io/kubernetes/cmd/kubectl") == "kubectl"
