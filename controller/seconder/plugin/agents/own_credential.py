"""A person's own credential: what another user entry of their kubeconfigs holds, or what its plugin gives."""

import os
from pathlib import Path
from typing import Final

from seconder.client import client_config, exec_plugin, kubeconfig
from seconder.client.credentials import NoCredentials, token_of
from seconder.client.exec_plugin import Status
from seconder.client.kubeconfig import User
from seconder.plugin.agents.exec_credential import Invocation
from seconder.plugin.terminal.problem import Problem

RUNNING: Final = "SECONDER_CREDENTIAL"
"""Set for the plugin of a user entry, so that an entry that leads back here is told and not followed for ever."""


def home() -> Path:
    """The person's home. Raises Problem."""
    try:
        return Path.home()
    except RuntimeError:
        raise Problem("cannot tell where your home is: set HOME") from None


def load(file: str | None, name: str, invocation: Invocation) -> Status:
    """The credential of this user entry; its plugin, if it has one, is run. Raises Problem and NoCredentials.

    ``file`` is where the entry is; without it, it is in the files that kubectl would merge.
    """
    paths = [Path(file)] if file else kubeconfig.default_paths(os.environ)
    merged = kubeconfig.read(paths, explicit=bool(file))
    if not merged.files:
        raise Problem("no kubeconfig: add --kubeconfig=FILE to the user's exec.args, or set KUBECONFIG")
    placed = merged.users.get(name)
    if placed is None:
        listed = ", ".join(map(str, merged.files))
        raise Problem(f"no user {name!r} in {listed}: name the entry that holds your own credential")
    user = placed.value
    try:
        client_config.check_user(user, f"user {name!r}")
        if inexpressible := _inexpressible(user):
            # Left out, the credential would be another than the entry's.
            raise Problem(
                f"user {name!r} has {inexpressible}, which a credential plugin cannot pass on: use another entry"
            )
        found = _credential(user, invocation)
    except (NoCredentials, UnicodeDecodeError) as error:
        raise Problem(f"kubeconfig {placed.file}, user {name!r}, is not usable: {error}") from None
    if not found:
        raise Problem(f"user {name!r} has no token, client certificate or plugin: name the entry with your credential")
    return found


def _inexpressible(user: User) -> str:
    fields = {
        "as": user.as_user,
        "username": user.username,
        "password": user.password,
        "auth-provider": user.auth_provider,
    }
    return next((field for field, value in fields.items() if value), "")


def _credential(user: User, invocation: Invocation) -> Status:
    certificate = kubeconfig.pem(user.client_certificate_data, user.client_certificate, "client-certificate")
    token = token_of(Path(user.token_file), user.token)() if user.token_file else user.token
    if user.exec_plugin is not None and not (token or certificate):
        return exec_plugin.run(
            user.exec_plugin, invocation.cluster, terminal=invocation.interactive, added={RUNNING: "1"}
        )
    key = kubeconfig.pem(user.client_key_data, user.client_key, "client-key") if certificate else b""
    found = {"token": token, "clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    return {field: value for field, value in found.items() if value}
