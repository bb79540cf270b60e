"""Short-lived tokens of agents' ServiceAccounts, kept until shortly before they expire."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seconder.api import moments
from seconder.client.exec_plugin import Status
from seconder.plugin.agents import private_files
from seconder.plugin.agents.own_credential import home
from seconder.plugin.terminal.problem import Problem

LIFETIME_SECONDS: Final = 900
_RENEWED_BEFORE_SECONDS: Final = 120
_MAX_LIFETIME_SECONDS: Final = 3660
_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """The account's user name."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


def token(account: Account, cluster: Mapping[str, Any], own: Callable[[], Status], now: float) -> Status:
    """A token of the account on this cluster: the kept one, or a new one made with the person's own credential.

    ``cluster`` is as kubectl tells it, ``own`` is called only when a new one is needed, ``now`` is in Unix seconds.
    Raises Problem, ApiError and NoCredentials.
    """
    kept = _folder() / f"{_key(account, cluster)}.json"
    if found := _read(kept, now):
        return found
    made = _request(account, cluster, own())
    # A home that cannot be written to costs time, not the token.
    with contextlib.suppress(OSError):
        _keep(kept, made)
    return made


def _request(account: Account, cluster: Mapping[str, Any], own: Status) -> Status:
    from seconder.client import client_config
    from seconder.client.api import Api

    credentials = client_config.told(cluster, own)
    answer = Api(credentials, user_agent="kubectl-seconder", connections=1).create(
        f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": LIFETIME_SECONDS},
        },
        timeout=_TIMEOUT_SECONDS,
    )
    try:
        status = answer["status"]
        made = {name: status[name] for name in ("token", "expirationTimestamp")}
        _expiry(made)
    except (KeyError, TypeError, ValueError):
        raise Problem("the API server's answer holds no token") from None
    return made


def _expiry(status: Status) -> float:
    if not (isinstance(status["token"], str) and status["token"]):
        raise ValueError("no token")
    ends = moments.seconds(status["expirationTimestamp"])
    if ends is None:
        raise ValueError("no time")
    return ends


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    # A relative one is to be ignored (XDG Base Directory Specification).
    cache = Path(base) if os.path.isabs(base) else home() / ".cache"
    return cache / "seconder" / "agent-tokens"


def _key(account: Account, cluster: Mapping[str, Any]) -> str:
    # All but the address too: another cluster may come to stand there, or be behind a proxy.
    fields = ("server", "certificate-authority-data", "tls-server-name", "proxy-url")
    parts = [*(cluster.get(field) or "" for field in fields), account.namespace, account.name]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read(path: Path, now: float) -> Status | None:
    """The kept token, unless it ends soon or anybody else could have written or read it."""
    try:
        document = json.loads(private_files.read(path))
        status = {name: document[name] for name in ("token", "expirationTimestamp")}
        left = _expiry(status) - now
    except (Problem, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return status if _RENEWED_BEFORE_SECONDS < left <= _MAX_LIFETIME_SECONDS else None


def _keep(path: Path, status: Status) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private_files.write(path, json.dumps(status).encode())
