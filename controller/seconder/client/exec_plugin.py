"""Credential plugins (KEP-541): programs that a kubeconfig names, run as kubectl runs them."""

import json
import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.api import moments
from seconder.api.text import clean
from seconder.client import kuberc
from seconder.client.credentials import Identity, NoCredentials

GROUP: Final = "client.authentication.k8s.io"
INFO: Final = "KUBERNETES_EXEC_INFO"
_VERSIONS: Final = (f"{GROUP}/v1", f"{GROUP}/v1beta1")
_MODES: Final = ("Never", "IfAvailable", "Always")
_FIELDS: Final = ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
_MAX_ANSWER_BYTES: Final = 1024 * 1024
_SECONDS: Final = 300.0
"""A person may have to log in somewhere."""

Status = dict[str, str]
"""A credential: some of ``token``, ``clientCertificateData``, ``clientKeyData`` (PEM) and ``expirationTimestamp``."""


class Variable(msgspec.Struct, frozen=True):
    """An environment variable."""

    name: str = ""
    value: str = ""


class ExecConfig(msgspec.Struct, frozen=True, rename="camel"):
    """How a kubeconfig says that a plugin is run."""

    command: str = ""
    args: list[str] = []
    env: list[Variable] = []
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""

    @property
    def mode(self) -> str:
        """Whether it may talk to whoever sits there; only the first version let it be left out."""
        return self.interactive_mode or ("IfAvailable" if self.api_version == _VERSIONS[1] else "")

    def problem(self) -> str:
        """Why it cannot be run; empty when it can."""
        if not self.command:
            return "its exec has no command"
        if self.api_version not in _VERSIONS:
            known = " and ".join(_VERSIONS)
            return f"credential plugin {clean(self.command)} is for {clean(self.api_version)!r}: {known} are known"
        if self.mode not in _MODES:
            wanted = ", ".join(_MODES)
            return f"its exec has interactiveMode {clean(self.interactive_mode)!r}: it must be one of {wanted}"
        return "" if all(variable.name for variable in self.env) else "its exec.env has an entry without a name"


class ExecPlugin:
    """A plugin, and the credential that it gave last. Safe to use from several threads: it runs once at a time.

    ``cluster`` is what it is told of the cluster, if it asks for that; ``origin`` names the kubeconfig's user.
    """

    def __init__(self, config: ExecConfig, cluster: Mapping[str, Any], origin: str) -> None:
        self._config = config
        self._cluster = cluster
        self._origin = origin
        self._lock = threading.Lock()
        self._credential: tuple[Identity, float] | None = None

    def current(self) -> Identity:
        """The present credential; the plugin is run when there is none, or it has expired. Raises NoCredentials."""
        with self._lock:
            if self._credential is None or self._credential[1] < time.time():
                try:
                    kuberc.check_plugin(self._config.command, os.environ)
                    status = run(self._config, self._cluster, terminal=_at_terminal())
                except NoCredentials as error:
                    raise NoCredentials(f"{self._origin}: {error}") from None
                self._credential = _identity(status), _expiry(status)
            return self._credential[0]

    def refused(self) -> None:
        """Forget the credential, which the API server does not accept."""
        with self._lock:
            self._credential = None


def run(
    config: ExecConfig, cluster: Mapping[str, Any], *, terminal: bool, added: Mapping[str, str] | None = None
) -> Status:
    """Run a plugin once, and give its answer. Raises NoCredentials.

    ``terminal`` says whether somebody can be asked on standard input. ``added`` goes to the plugin's environment.
    """
    if problem := config.problem():
        raise NoCredentials(problem)
    if config.mode == "Always" and not terminal:
        raise NoCredentials(f"credential plugin {clean(config.command)} needs a terminal, and there is none")
    interactive = terminal and config.mode != "Never"
    spec = {"interactive": interactive} | ({"cluster": cluster} if config.provide_cluster_info else {})
    told = json.dumps({"apiVersion": config.api_version, "kind": "ExecCredential", "spec": spec})
    environment = {
        **os.environ,
        **{variable.name: variable.value for variable in config.env},
        INFO: told,
        **(added or {}),
    }
    content = _output([_program(config), *config.args], environment, interactive, config.command)
    return _status(content, config.api_version, config.command)


def _at_terminal() -> bool:
    try:
        return os.isatty(0)
    except OSError:
        return False


def _program(config: ExecConfig) -> str:
    """Where the program is: by this process's PATH, whatever the plugin's own environment says, as kubectl does it."""
    path = shutil.which(config.command)
    if path is None:
        hint = clean(" ".join(config.install_hint.split()))
        missing = f"credential plugin {clean(config.command)} is not there, or cannot be executed"
        raise NoCredentials(f"{missing}: {hint}" if hint else missing)
    if not os.path.isabs(path):
        raise NoCredentials(f"credential plugin {clean(config.command)} is in the current folder alone: add it to PATH")
    return path


def _output(command: Sequence[str], environment: Mapping[str, str], interactive: bool, name: str) -> bytes:
    shown = clean(name)
    try:
        child = subprocess.Popen(  # noqa: S603 - it is the person's own kubeconfig that names it
            command, env=environment, stdin=None if interactive else subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NoCredentials(f"credential plugin {shown} cannot be started: {reason}") from None
    deadline = time.monotonic() + _SECONDS
    content = b""
    with child:
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        try:
            while chunk := _chunk(child.stdout.fileno(), deadline):
                content += chunk
                if len(content) > _MAX_ANSWER_BYTES:
                    raise NoCredentials(
                        f"credential plugin {shown} answers with more than {_MAX_ANSWER_BYTES // 1024} KiB"
                    )
            child.wait(max(0.0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise NoCredentials(f"credential plugin {shown} took longer than {_SECONDS:.0f} s") from None
        finally:
            child.kill()
    if child.returncode != 0:
        raise NoCredentials(f"credential plugin {shown} failed (exit code {child.returncode})")
    return content


def _chunk(handle: int, deadline: float) -> bytes:
    if not select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError
    return os.read(handle, 65536)


def _status(content: bytes, version: str, plugin: str) -> Status:
    """Read a plugin's answer; what is half a credential is none. Raises NoCredentials."""
    try:
        document = json.loads(content)
        if document["kind"] != "ExecCredential" or document["apiVersion"] != version:
            raise ValueError("another kind or version")
        found = {name: document["status"][name] for name in _FIELDS if document["status"].get(name)}
        if not all(isinstance(value, str) for value in found.values()):
            raise TypeError("a field is no text")
        _expiry(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NoCredentials(
            f"credential plugin {clean(plugin)} does not answer with an ExecCredential of {version}"
        ) from None
    if ("clientCertificateData" in found) != ("clientKeyData" in found):
        raise NoCredentials(f"credential plugin {clean(plugin)} gives a certificate or its key, but not both")
    if not ("token" in found or "clientKeyData" in found):
        raise NoCredentials(f"credential plugin {clean(plugin)} gives no credential")
    return found


def _identity(status: Status) -> Identity:
    token = status.get("token", "")
    return Identity(
        f"Bearer {token}" if token else "",
        status.get("clientCertificateData", "").encode(),
        status.get("clientKeyData", "").encode(),
    )


def _expiry(status: Status) -> float:
    """When the credential ends, in seconds since 1970; never, where it does not say. Raises ValueError."""
    if "expirationTimestamp" not in status:
        return float("inf")
    ends = moments.seconds(status["expirationTimestamp"])
    if ends is None:
        raise ValueError("no time")
    return ends
