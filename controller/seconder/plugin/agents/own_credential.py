"""A person's own credential: what another user entry of their kubeconfigs holds, or what its plugin gives."""

import base64
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from seconder.plugin.agents import exec_credential
from seconder.plugin.agents.exec_credential import Invocation, Status
from seconder.plugin.terminal.problem import Problem

RUNNING: Final = "SECONDER_CREDENTIAL"
"""Set for the plugin of a user entry, so that an entry that leads back here is told and not followed for ever."""

_MAX_FILE_BYTES: Final = 4 * 1024 * 1024
_MAX_ANSWER_BYTES: Final = 1024 * 1024
_PLUGIN_SECONDS: Final = 300.0
_VERSIONS: Final = (f"{exec_credential.GROUP}/v1", f"{exec_credential.GROUP}/v1beta1")
_INEXPRESSIBLE: Final = ("as", "as-uid", "as-groups", "as-user-extra", "username", "password", "auth-provider")


def home() -> Path:
    """Give the person's home. Raises Problem."""
    try:
        return Path.home()
    except RuntimeError:
        raise Problem("cannot tell where your home is: set HOME") from None


def kubeconfigs(given: str | None) -> list[Path]:
    """Give the files that kubectl would merge. Raises Problem."""
    if given:
        return [Path(given)]
    listed = [Path(each) for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    found = [path for path in listed or [home() / ".kube" / "config"] if path.exists()]
    if not found:
        raise Problem("no kubeconfig: add --kubeconfig=FILE to the user's exec.args, or set KUBECONFIG")
    return found


def load(paths: Sequence[Path], name: str, invocation: Invocation) -> Status:
    """Give the credential of this user entry; its plugin, if it has one, is run. Raises Problem."""
    path = paths[0]
    try:
        for path in paths:
            if (user := _entry(path, name)) is not None:
                return _credential(path, name, user, invocation)
    except OSError as error:
        raise Problem(f"user {name!r}: cannot read {error.filename or path}: {error.strerror}") from None
    except (KeyError, AttributeError, TypeError, ValueError, RecursionError) as error:
        told = " ".join(f"{type(error).__name__} {error}".split())
        raise Problem(f"kubeconfig {path}, user {name!r}, is not usable: {told}") from None
    raise Problem(f"no user {name!r} in {', '.join(map(str, paths))}: name the entry that holds your own credential")


def _entry(path: Path, name: str) -> Mapping[str, Any] | None:
    """Find the entry; as kubectl merges files, the first to define a name wins."""
    import yaml

    try:
        config = yaml.load(_read(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    for each in config.get("users") or ():
        if each.get("name") == name:
            found: Mapping[str, Any] = each["user"]
            return found
    return None


def _credential(path: Path, name: str, user: Mapping[str, Any], invocation: Invocation) -> Status:
    for field in _INEXPRESSIBLE:
        if user.get(field):
            # Left out, the credential would be another than the entry's.
            raise Problem(f"user {name!r} has {field}, which a credential plugin cannot pass on: use another entry")
    if plugin := user.get("exec"):
        return _run(path, plugin, invocation)
    found = {
        "token": _read(path.parent / str(user["tokenFile"])).decode().strip()
        if user.get("tokenFile")
        else str(user.get("token") or ""),
        "clientCertificateData": _pem(path, user, "client-certificate"),
        "clientKeyData": _pem(path, user, "client-key"),
    }
    if bool(found["clientCertificateData"]) != bool(found["clientKeyData"]):
        raise Problem(f"user {name!r} has a client certificate or its key, but not both")
    status = {field: value for field, value in found.items() if value}
    if not status:
        raise Problem(f"user {name!r} has no token, client certificate or plugin: name the entry with your credential")
    return status


def _pem(path: Path, user: Mapping[str, Any], field: str) -> str:
    if data := user.get(f"{field}-data"):
        return base64.b64decode(data, validate=True).decode()
    if file := user.get(field):
        return _read(path.parent / str(file)).decode()
    return ""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"{path} is larger than {_MAX_FILE_BYTES // 1024 // 1024} MiB")
    return content


def _run(path: Path, plugin: Mapping[str, Any], invocation: Invocation) -> Status:
    command, version = str(plugin["command"]), str(plugin.get("apiVersion"))
    if version not in _VERSIONS:
        raise Problem(f"credential plugin {command} is for {version}: only {' and '.join(_VERSIONS)} are known")
    mode = plugin.get("interactiveMode", "IfAvailable")
    if mode == "Always" and not invocation.interactive:
        raise Problem(f"credential plugin {command} needs a terminal, and there is none")
    interactive = invocation.interactive and mode != "Never"
    info = exec_credential.invocation_for(
        version, invocation, interactive=interactive, with_cluster=bool(plugin.get("provideClusterInfo"))
    )
    added = {str(each["name"]): str(each["value"]) for each in plugin.get("env") or ()}
    arguments = [str(each) for each in plugin.get("args") or ()]
    # A relative path is its kubeconfig's, and a bare name is looked up in PATH, as kubectl does it.
    program = str(path.parent.absolute() / command) if os.sep in command else command
    return exec_credential.read_status(
        _output([program, *arguments], {**os.environ, **added, exec_credential.INFO: info, RUNNING: "1"}, interactive),
        version,
        command,
    )


def _output(command: Sequence[str], environment: Mapping[str, str], interactive: bool) -> bytes:
    shown = command[0]
    try:
        child = subprocess.Popen(  # noqa: S603 - it is the person's own kubeconfig that names it
            command, env=environment, stdin=None if interactive else subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except OSError as error:
        raise Problem(f"credential plugin {shown} cannot be started: {error.strerror}") from None
    # It may wait for a person to log in somewhere, but not for ever.
    deadline = time.monotonic() + _PLUGIN_SECONDS
    content = b""
    with child:
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        try:
            while chunk := _chunk(child.stdout.fileno(), deadline):
                content += chunk
                if len(content) > _MAX_ANSWER_BYTES:
                    raise Problem(f"credential plugin {shown} answers with more than {_MAX_ANSWER_BYTES // 1024} KiB")
            child.wait(max(0.0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise Problem(f"credential plugin {shown} took longer than {_PLUGIN_SECONDS:.0f} s") from None
        finally:
            child.kill()
    if child.returncode != 0:
        raise Problem(f"credential plugin {shown} failed (exit code {child.returncode})")
    return content


def _chunk(handle: int, deadline: float) -> bytes:
    if not select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError
    return os.read(handle, 65536)
