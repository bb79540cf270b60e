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
from localstack.pins import MINOR, MODULES, TESTS, Binary, Module, modules, older_minors, required_go, required_version
from localstack.toolchain import go_environment, suffices

ROOT = Path(__file__).parents[3]


def put(folder: Path, *names: str, script: str = "#!/bin/sh\n") -> Path:
    """Make executable files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder


def module_of(binary: Binary) -> Module:
    """Give what a program of the newest stack is built from."""
    return next(module for module in MODULES if binary in module.programs)


def put_built(cache: Path, *binaries: Binary) -> None:
    """Put programs into the cache as a build does."""
    for binary in binaries:
        put(cache / module_of(binary).key, binary)


def kubectl_saying(version: str) -> str:
    """Give a script that answers ``kubectl version`` like kubectl does."""
    return f"#!/bin/sh\necho '{json.dumps({'clientVersion': {'gitVersion': version}})}'\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give an environment with an empty cache and an empty PATH."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path / "path")}


@pytest.fixture
def cached(environment: dict[str, str]) -> Path:
    """Give the folder of the cache."""
    return cache_folder(environment)


@pytest.fixture(autouse=True)
def _newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the run of these tests itself is on."""
    monkeypatch.delenv(MINOR, raising=False)


def test_nothing_is_found_where_nothing_is(environment: dict[str, str]) -> None:
    """An empty machine has to build everything."""
    assert find(environment, any_kubectl=True) == {}


def test_assets_come_before_the_cache(environment: dict[str, str], cached: Path, tmp_path: Path) -> None:
    """KUBEBUILDER_ASSETS wins for what it has; the cache has the rest."""
    assets = put(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    put_built(cached, Binary.ETCD, Binary.CONTROLLER_MANAGER)
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
    put_built(cached, Binary.KUBECTL)
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
    put_built(cached, Binary.CONTROLLER_MANAGER)
    manager = cached / module_of(Binary.CONTROLLER_MANAGER).key
    for key, value in (environment | {ASSETS: str(assets)}).items():
        monkeypatch.setenv(key, value)
    stream = io.StringIO()
    paths = provide(any_kubectl=False, stream=stream)
    assert paths[Binary.CONTROLLER_MANAGER] == manager / "kube-controller-manager"
    assert paths[Binary.ETCD] == assets / "etcd"
    assert stream.getvalue().splitlines() == [
        f"KUBEBUILDER_ASSETS has no kube-controller-manager ({assets})",
        f"etcd, kube-apiserver, kubectl: from KUBEBUILDER_ASSETS ({assets})",
        f"kube-controller-manager: from cache ({manager})",
    ]


def test_only_what_is_missing_is_built(
    environment: dict[str, str], cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first demo builds what it needs; what is there is not built again."""
    put_built(cached, Binary.ETCD, Binary.KUBECTL)
    asked: list[list[Binary]] = []

    def build(_: Path, wanted: list[tuple[Module, list[Binary]]], cache: Path, __: io.StringIO) -> None:
        for module, programs in wanted:
            asked.append(programs)
            put(cache / module.key, *programs)

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
        put_built(cached, *Binary)
        yield

    monkeypatch.setattr(binaries, "locked", locked)
    monkeypatch.setattr(binaries, "find_go", lambda *_: pytest.fail("a build was begun"))
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv(ASSETS, raising=False)
    assert all(path.parent.parent == cached for path in provide(any_kubectl=False, stream=io.StringIO()).values())


def test_nothing_that_is_not_wanted_is_provided(environment: dict[str, str], cached: Path) -> None:
    """A story without controllers neither waits for kube-controller-manager nor gets one."""
    put_built(cached, Binary.ETCD, Binary.KUBECTL)
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        patch.delenv(ASSETS, raising=False)
        paths = provide([Binary.ETCD, Binary.KUBECTL], any_kubectl=True, stream=io.StringIO())
    wanted = (Binary.ETCD, Binary.KUBECTL)
    assert paths == {binary: cached / module_of(binary).key / binary for binary in wanted}


def test_a_relative_cache_home_is_ignored() -> None:
    """The XDG specification says that such a value is invalid."""
    assert cache_folder({"XDG_CACHE_HOME": "here"}) == Path.home() / ".cache" / "seconder" / "bin"
    assert cache_folder({"XDG_CACHE_HOME": "/there"}) == Path("/there/seconder/bin")


def test_cache_key_names_versions_and_system() -> None:
    """Someone who looks into the cache can tell what is there."""
    assert module_of(Binary.APISERVER).key.startswith(f"kubernetes-{pins.KUBERNETES_VERSION}-")
    assert module_of(Binary.ETCD).key.startswith(f"etcd-{pins.ETCD_VERSION}-")


@pytest.mark.parametrize("changed", ["flags", "go.mod", "go.sum", "machine"])
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_cache_key_changes_with_all_that_makes_a_binary(
    module: Module, changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old build is never taken for one of other versions, flags or systems."""
    before = module.key
    assert before == module.key
    if changed == "flags":
        module = Module(module.name, module.title, module.programs, (*module.flags, "-race"))
    elif changed == "machine":
        monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    else:
        (tmp_path / module.name).mkdir()
        for file in ("go.mod", "go.sum"):
            text = (module.folder / file).read_text() + ("\n// x\n" if file == changed else "")
            (tmp_path / module.name / file).write_text(text)
        monkeypatch.setattr(pins, "GO_MODULES", tmp_path)
    assert module.key != before


@pytest.mark.parametrize("minor", older_minors())
def test_an_older_control_plane_is_a_minor_of_its_own_beside_the_newest_tools(minor: str) -> None:
    """API server and controllers are that minor's, as Kubernetes itself pinned what they need; the rest is shared."""
    [older, *rest] = modules({MINOR: minor})
    assert set(older.programs) == {Binary.APISERVER, Binary.CONTROLLER_MANAGER}
    assert older.title.startswith(f"Kubernetes v{minor}.")
    assert tuple(rest) == MODULES
    staging = older.title.removeprefix("Kubernetes v1.")
    text = (older.folder / "go.mod").read_text()
    assert f"\tk8s.io/apiserver => k8s.io/apiserver v0.{staging}\n" in text
    assert required_go(text) == pins.GO_RELEASE


def test_no_minor_between_the_oldest_and_the_newest_is_missing() -> None:
    """Whoever claims a range of versions can run the tests on each."""
    numbers = [int(minor.partition(".")[2]) for minor in (*older_minors(), pins.newest_minor())]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_the_chart_claims_the_oldest_version_that_is_pinned() -> None:
    """What nobody can test is not promised."""
    assert f'kubeVersion: ">={older_minors()[0]}.0-0"' in (ROOT / "charts/seconder/Chart.yaml").read_text()


def test_the_newest_version_may_be_asked_for_by_its_number() -> None:
    """Asking for what comes anyway builds nothing else."""
    assert modules({MINOR: pins.newest_minor()}) == modules({MINOR: ""}) == modules({}) == MODULES
    assert pins.chosen_minor({MINOR: pins.OLDEST}) == older_minors()[0]


def test_a_version_that_is_not_pinned_is_refused_and_those_that_are_are_named() -> None:
    """A typing error does not end in a run on the newest version."""
    with pytest.raises(StackError, match=r"Kubernetes 1\.29 is not pinned: name one of 1\.30, .*1\.37"):
        modules({MINOR: "1.29"})


def test_a_minor_that_is_asked_for_is_never_taken_from_assets(
    environment: dict[str, str], cached: Path, tmp_path: Path
) -> None:
    """KUBEBUILDER_ASSETS may hold any version: its API server would be tested under a wrong name."""
    assets = put(tmp_path / "assets", "etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
    put_built(cached, *TESTS)
    found = find(environment | {ASSETS: str(assets), MINOR: older_minors()[0]}, any_kubectl=False)
    assert Binary.APISERVER not in found
    assert Binary.CONTROLLER_MANAGER not in found
    assert found[Binary.ETCD].title == ASSETS


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
