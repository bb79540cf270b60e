"""The approver's own key: which one it is, and the real ``ssh-keygen`` that signs with it."""

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seconder.api import constants
from seconder.api.reasons import Rejected
from seconder.api.text import clean
from seconder.approvals.certificates.certificate import is_certificate
from seconder.approvals.keys import UnusableKey, blob_of_line, fingerprint
from seconder.approvals.registry import RegisteredKey, Registry, denying, denying_of
from seconder.approvals.sshwire import Reader, WireError, decode_base64
from seconder.plugin.terminal import output
from seconder.plugin.terminal.problem import Problem

_AGENT_SECONDS: Final = 10.0
_SIGN_SECONDS: Final = 120.0
"""Time enough to find a security key, type its PIN and touch it."""

_END_SECONDS: Final = 2.0
_MAX_BYTES: Final = 64 * 1024
_MAX_FILES: Final = 50
_MAX_AGENT_KEYS: Final = 200
_CERTIFICATE: Final = "-cert.pub"
"""How the file of a key's certificate ends, for ssh and all that signs with it."""

_MAGIC: Final = b"openssh-key-v1\0"
_PRIVATE: Final = re.compile(rb"-----BEGIN OPENSSH PRIVATE KEY-----\s+(.*?)\s*-----END OPENSSH PRIVATE KEY-----", re.S)


@dataclass(frozen=True, slots=True)
class LocalKey:
    """A key at hand. ``line`` is its public half, or a certificate of it.

    ``path`` is the private key's file, or the certificate's beside it; None for a key in the ssh-agent.
    """

    line: str
    blob: bytes
    path: Path | None
    name: str


@dataclass(frozen=True, slots=True)
class Signer:
    """A key at hand that stands in an Approver, or has a certificate of an ApproverAuthority."""

    key: LocalKey
    registered: RegisteredKey


@dataclass(frozen=True, slots=True)
class AtHand:
    """Keys at hand, and where they were looked for, in words."""

    keys: Sequence[LocalKey]
    looked_at: str


def at_hand(file: str | None) -> AtHand:
    """The key in this file; without one, those in ``~/.ssh`` and in the ssh-agent. Raises Problem.

    Each with its certificate, where one lies beside it.
    """
    if file is not None:
        path = Path(file).expanduser()
        return AtHand((of_file(path), *_certified(path)), file)
    folder = Path.home() / ".ssh"
    keys = []
    for path in sorted(folder.glob("id_*"))[:_MAX_FILES]:
        # A pipe would keep us waiting.
        if path.suffix == ".pub" or not path.is_file():
            continue
        try:
            keys += [of_file(path), *_certified(path)]
        except Problem:
            continue
    in_agent = _in_agent()
    told = f"{_count(keys)} in {folder}, {'no ssh-agent' if in_agent is None else f'{_count(in_agent)} in ssh-agent'}"
    return AtHand((*keys, *(in_agent or ())), told)


def of_file(path: Path) -> LocalKey:
    """Read a private key's public half, or a ``.pub`` whose private half is in the ssh-agent. Raises Problem."""
    content = _read(path)
    if b"PRIVATE KEY" in content:
        blob = _blob_within(content)
        if blob is not None:
            return LocalKey(_line(blob), blob, path, str(path))
        public = path.with_name(f"{path.name}.pub")
        if not public.is_file():
            raise Problem(f"{path} does not tell its public half: write it with ssh-keygen -y -f {path} > {public}")
        line = _text(_read(public))
        return LocalKey(line, _blob(line, public), path, str(path))
    line = _text(content)
    blob = _blob(line, path)
    private = path.with_name(path.name.removesuffix(_CERTIFICATE).removesuffix(".pub"))
    # As ssh-keygen does: the private half beside it, unless there is none.
    beside = private if path.suffix == ".pub" and private.is_file() else None
    # It finds the private half itself, and signs with what it is given.
    return LocalKey(line, blob, path if beside and is_certificate(blob) else beside, str(path))


def _certified(path: Path) -> list[LocalKey]:
    """The certificate beside a key's file, if there is one that can be read."""
    beside = path.with_name(f"{path.name.removesuffix('.pub')}{_CERTIFICATE}")
    if path.name.endswith(_CERTIFICATE) or not beside.is_file():
        return []
    try:
        return [of_file(beside)]
    except Problem:
        return []


def registered(local: AtHand, registry: Registry) -> list[Signer]:
    """The keys at hand that stand in an Approver, whether they count or not; and those that certificates make count."""
    signers = []
    for key in local.keys:
        match = registry.find(key.blob)
        with contextlib.suppress(Rejected):
            match = match or registry.certified(key.blob)
        if match is not None:
            signers.append(Signer(key, match))
    return signers


def refusals(local: AtHand, registry: Registry) -> list[str]:
    """Why certificates at hand count for nobody, each in a sentence's part."""
    found = []
    for key in local.keys:
        try:
            registry.certified(key.blob)
        except Rejected as rejected:
            found.append(f"{key.name}: {rejected.detail}")
    return found


def none_registered(local: AtHand, registry: Registry, *, named: bool) -> Problem:
    """The problem that no key at hand stands in an Approver. ``named``: one was named on the command line."""
    refused = refusals(local, registry)
    if refused:
        return Problem(f"no key of yours counts in this cluster; {clean('; '.join(refused[:3]))}")
    if named:
        key = local.keys[0]
        return Problem(
            f"key {key.name} ({fingerprint(key.blob)}) is in no Approver of this cluster: ask an administrator to "
            "register it, or name another with --key"
        )
    return Problem(
        f"no key of yours is in an Approver of this cluster (looked at {local.looked_at}): name one with --key, or "
        "ask an administrator to register it"
    )


def sign(
    key: LocalKey, message: bytes, *, seconds: float = _SIGN_SECONDS, namespace: str = constants.SSHSIG_NAMESPACE
) -> str:
    """The armored signature that ``ssh-keygen`` makes. It asks for passphrase, PIN and touch itself.

    Raises Problem.
    """
    with tempfile.TemporaryDirectory(prefix="seconder-") as folder:
        # In a file, not through a pipe: ssh-keygen asks for a passphrase only where its input is a terminal.
        statement = Path(folder) / "statement"
        statement.write_bytes(message)
        if key.path is None:
            public = Path(folder) / "key.pub"
            public.write_text(f"{key.line}\n")
            chosen = ["-U", "-f", str(public)]
        else:
            chosen = ["-f", str(key.path)]
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, *chosen, str(statement)]
        _run(command, key, seconds)
        try:
            return (Path(folder) / "statement.sig").read_text("ascii")
        except (OSError, UnicodeDecodeError):
            raise Problem("ssh-keygen gave no signature") from None


def _run(command: Sequence[str], key: LocalKey, seconds: float) -> None:
    asks = output.interactive()
    try:
        # What it asks at the terminal goes to standard error, as does a notice to touch the key.
        running = subprocess.Popen(  # noqa: S603 - no shell, and the program is ssh-keygen by design
            command,
            stdin=None if asks else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if asks else subprocess.PIPE,
            env=_with_agent(),
        )
    except FileNotFoundError:
        raise Problem("ssh-keygen is not on PATH: install OpenSSH's client") from None
    with running:
        try:
            _, told = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # Asked to end, it gives the terminal back as it was (its echo, while a passphrase is typed).
            running.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(_END_SECONDS)
            running.kill()
            raise Problem(
                f"ssh-keygen did not sign with {key.name} within {seconds:.0f} s: nothing was changed"
            ) from None
    if running.returncode != 0:
        why = clean(" ".join((told or b"").decode(errors="replace").split()))
        raise Problem(f"ssh-keygen did not sign with {key.name}{f': {why}' if why else ''}; nothing was changed")


def _in_agent() -> list[LocalKey] | None:
    """The ssh-agent's keys; None where there is no agent that answers."""
    environment = _with_agent()
    if not environment.get("SSH_AUTH_SOCK"):
        return None
    try:
        done = subprocess.run(
            ["ssh-add", "-L"],  # noqa: S607 - whichever the person uses
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_AGENT_SECONDS,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # 1: it has no keys; 2: there is no agent.
    if done.returncode == 2:
        return None
    return list(_lines(done.stdout.decode(errors="replace").splitlines()[:_MAX_AGENT_KEYS]))


def _with_agent() -> dict[str, str]:
    """The environment, with the ssh-agent that ssh would ask: IdentityAgent of ssh_config(5) where none is set.

    Password managers are set up so; ssh-add and ssh-keygen do not read that file.
    """
    environment = dict(os.environ)
    config = Path.home() / ".ssh" / "config"
    if environment.get("SSH_AUTH_SOCK") or not config.is_file():
        return environment
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the file is the person's own
            ["ssh", "-G", "-F", str(config), "agent.invalid"],  # noqa: S607 - whichever the person uses
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_AGENT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return environment
    for line in done.stdout.decode(errors="replace").splitlines():
        name, _, value = line.partition(" ")
        # What ssh has not put in place of it by now is a variable that holds the whole path; else it is "none".
        socket = environment.get(value[1:], "") if value.startswith("$") else value
        if name == "identityagent" and socket.startswith("/"):
            environment["SSH_AUTH_SOCK"] = socket
    return environment


def _lines(lines: Iterable[str]) -> Iterable[LocalKey]:
    for line in lines:
        try:
            blob = blob_of_line(line)
        except UnusableKey:
            continue
        yield LocalKey(line, blob, None, f"{fingerprint(blob)} in ssh-agent")


def _blob_within(content: bytes) -> bytes | None:
    """Take the public half out of OpenSSH's private key format (PROTOCOL.key), where it is not encrypted."""
    armored = _PRIVATE.search(content)
    if armored is None:
        return None
    try:
        data = decode_base64(b"".join(armored[1].split()))
        if not data.startswith(_MAGIC):
            return None
        reader = Reader(data[len(_MAGIC) :])
        for _ in ("cipher", "key derivation", "its options"):
            reader.string()
        return reader.string() if reader.uint32() == 1 else None
    except WireError:
        return None


def _line(blob: bytes) -> str:
    import base64

    return f"{Reader(blob).string().decode(errors='replace')} {base64.b64encode(blob).decode()}"


def _blob(line: str, path: Path) -> bytes:
    try:
        return blob_of_line(line)
    except UnusableKey as error:
        raise Problem(f"{path} is no SSH key: {error}") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise Problem(f"cannot read key {path}: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise Problem(f"{path} is too large for a key")
    return content


def _text(content: bytes) -> str:
    return content.decode(errors="replace").strip()


def _count(keys: Sequence[LocalKey]) -> str:
    return "1 key" if len(keys) == 1 else f"{len(keys)} keys"


def principals_of(registry: Registry, username: str, file: str | None) -> dict[str, str]:
    """The names under which the caller signs, by the keys at hand and by the user name; and denies, by each."""
    local = at_hand(file)
    signers = registered(local, registry)
    by_key = {signer.registered.approver.principal: denying(signer.registered) for signer in signers}
    if file is not None:
        if not signers:
            raise none_registered(local, registry, named=True)
        return by_key
    by_name = {approver.principal: approver.name for approver in registry.approvers if username in approver.names}
    for authority in registry.authorities:
        for principal in authority.named(username):
            by_name.setdefault(principal, denying_of(authority.name, principal))
    if not by_name and not by_key:
        raise none_registered(local, registry, named=False)
    return by_key | by_name
