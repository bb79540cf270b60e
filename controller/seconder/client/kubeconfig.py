"""Kubeconfig files: every field of their v1 API, in one file or merged from several as client-go does it.

Source: k8s.io/client-go/tools/clientcmd (``loader.go`` and ``api/v1/types.go``). Unknown fields are left out there too.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from seconder.api.type_reader import TypeReader
from seconder.client import documents
from seconder.client.credentials import NoCredentials
from seconder.client.exec_plugin import ExecConfig

_MAX_BYTES: Final = 4 * 1024 * 1024


class Extension(msgspec.Struct, frozen=True):
    """What some program put beside the fields; one name is read by credential plugins."""

    name: str = ""
    extension: Any = None


class Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    """How an API server is reached."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: list[Extension] = []


class AuthProvider(msgspec.Struct, frozen=True):
    """A way to log in that was compiled into kubectl once."""

    name: str = ""


class User(msgspec.Struct, frozen=True, rename="kebab"):
    """What proves who asks."""

    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    as_user: str = msgspec.field(default="", name="as")
    as_uid: str = ""
    as_groups: list[str] = []
    as_user_extra: dict[str, list[str]] = {}
    username: str = ""
    password: str = ""
    auth_provider: AuthProvider | None = None
    exec_plugin: ExecConfig | None = msgspec.field(default=None, name="exec")


class Context(msgspec.Struct, frozen=True):
    """Which cluster, which user, and in which namespace."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""


class NamedCluster(msgspec.Struct, frozen=True):
    """An entry under ``clusters``."""

    name: str = ""
    cluster: Cluster = Cluster()


class NamedUser(msgspec.Struct, frozen=True):
    """An entry under ``users``."""

    name: str = ""
    user: User = User()


class NamedContext(msgspec.Struct, frozen=True):
    """An entry under ``contexts``."""

    name: str = ""
    context: Context = Context()


class _File(msgspec.Struct, frozen=True, rename="kebab"):
    kind: str = ""
    api_version: str = msgspec.field(default="", name="apiVersion")
    current_context: str = ""
    clusters: list[NamedCluster] = []
    users: list[NamedUser] = []
    contexts: list[NamedContext] = []


_file: Final = TypeReader(_File)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Value = TypeVar("_Value")
_Entry = TypeVar("_Entry", bound=_Named)


@dataclass(frozen=True, slots=True)
class Placed(Generic[_Value]):
    """An entry, and the file that it stands in."""

    value: _Value
    file: Path


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The files in one. ``files`` are those that are there; relative paths in entries have become absolute."""

    files: Sequence[Path]
    current_context: str
    clusters: Mapping[str, Placed[Cluster]]
    users: Mapping[str, Placed[User]]
    contexts: Mapping[str, Placed[Context]]

    def __str__(self) -> str:
        """Name the files."""
        return f"kubeconfig {os.pathsep.join(map(str, self.files))}" if self.files else "no kubeconfig"


def default_paths(environment: Mapping[str, str]) -> list[Path]:
    """The files that kubectl would merge, whether they are there or not: ``KUBECONFIG``, else ``~/.kube/config``."""
    if listed := environment.get("KUBECONFIG", ""):
        return [Path(name) for name in dict.fromkeys(listed.split(os.pathsep)) if name]
    home = environment.get("HOME", "")
    return [Path(home) / ".kube" / "config"] if home else []


def read(paths: Sequence[Path], *, explicit: bool) -> Kubeconfig:
    """Merge these files: the first to define a name wins, and the first with a current context.

    What is not there is passed over, unless it is ``explicit``. Raises NoCredentials, also for a file that cannot be
    used and defines nothing that is needed: kubectl stops there too.
    """
    clusters: dict[str, Placed[Cluster]] = {}
    users: dict[str, Placed[User]] = {}
    contexts: dict[str, Placed[Context]] = {}
    current, files = "", []
    for path in paths:
        try:
            content = content_of(path)
        except FileNotFoundError:
            if explicit:
                raise NoCredentials(f"cannot read kubeconfig {path}: it is not there") from None
            continue
        except OSError as error:
            raise NoCredentials(f"cannot read kubeconfig {path}: {error.strerror}") from None
        except ValueError as error:
            raise NoCredentials(f"kubeconfig {path} is not usable: {error}") from None
        config = _parse(content, path)
        files.append(path)
        current = current or config.current_context
        folder = path.parent.absolute()
        clusters = {e.name: Placed(_cluster_in(folder, e.cluster), path) for e in config.clusters} | clusters
        users = {e.name: Placed(_user_in(folder, e.user), path) for e in config.users} | users
        contexts = {e.name: Placed(e.context, path) for e in config.contexts} | contexts
    return Kubeconfig(files, current, clusters, users, contexts)


def pem(data: str, file: str, what: str) -> bytes:
    """The content of a field and its ``-data`` twin. Raises NoCredentials; ``what`` names the field."""
    if data:
        try:
            return base64.b64decode(data.replace("\n", "").replace("\r", ""), validate=True)
        except ValueError:
            raise NoCredentials(f"{what}-data is not base64") from None
    if not file:
        return b""
    try:
        return content_of(Path(file))
    except OSError as error:
        raise NoCredentials(f"{what} {file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise NoCredentials(f"{what} {file} is not usable: {error}") from None


def content_of(path: Path) -> bytes:
    """A file's content. Raises OSError, and ValueError for one that is too large."""
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES // 1024 // 1024} MiB")
    return content


def _parse(content: bytes, path: Path) -> _File:
    try:
        config = _file.convert(documents.parse(content))
        if config.kind not in {"", "Config"} or config.api_version not in {"", "v1"}:
            raise ValueError(f"it is {config.kind} of {config.api_version}, not Config of v1")
        for kind, entries in (("clusters", config.clusters), ("users", config.users), ("contexts", config.contexts)):
            _unique(kind, entries)
    except ValueError as error:
        raise NoCredentials(f"kubeconfig {path} is not usable: {error}") from None
    return config


def _unique(kind: str, entries: Sequence[_Entry]) -> None:
    known = set()
    for entry in entries:
        if entry.name in known:
            raise ValueError(f"there are two {entry.name!r} under {kind}")
        known.add(entry.name)


def _cluster_in(folder: Path, cluster: Cluster) -> Cluster:
    return msgspec.structs.replace(cluster, certificate_authority=_absolute(folder, cluster.certificate_authority))


def _user_in(folder: Path, user: User) -> User:
    plugin = user.exec_plugin
    if plugin is not None and os.sep in plugin.command:
        # A bare name is looked up in PATH.
        plugin = msgspec.structs.replace(plugin, command=_absolute(folder, plugin.command))
    return msgspec.structs.replace(
        user,
        client_certificate=_absolute(folder, user.client_certificate),
        client_key=_absolute(folder, user.client_key),
        token_file=_absolute(folder, user.token_file),
        exec_plugin=plugin,
    )


def _absolute(folder: Path, name: str) -> str:
    return os.path.normpath(folder / name) if name else ""
