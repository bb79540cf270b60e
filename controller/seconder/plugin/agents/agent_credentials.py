"""An agent's token, which renews itself until an absolute end, and the kubeconfig that leads to it."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from seconder.api import moments
from seconder.api.type_reader import TypeReader
from seconder.client.exec_plugin import GROUP, Status
from seconder.plugin.agents import private_files
from seconder.plugin.terminal import times
from seconder.plugin.terminal.problem import Problem

if TYPE_CHECKING:
    from seconder.client.api import Api
    from seconder.client.credentials import Credentials

PROGRAM: Final = "kubectl-seconder"
ANEW: Final = "a person has to run kubectl seconder agent-kubeconfig again"
MIN_SECONDS: Final = 600
"""The API server makes no token for less."""

_LOCK_SECONDS: Final = 10.0
_TIMEOUT_SECONDS: Final = 10.0
_MARGIN_SECONDS: Final = 60
"""The guard refuses a token that reaches one second beyond the end, by a clock that need not be this one."""


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file beside an agent's kubeconfig holds.

    ``authority`` is PEM; ``server_name``, ``proxy`` and ``insecure`` are what kubeconfigs call tls-server-name,
    proxy-url and insecure-skip-tls-verify. ``end`` and ``expires`` are in seconds since 1970, ``lifetime`` is what each
    token is asked for, in seconds, and ``granted`` what the present one got.
    """

    server: str
    authority: str
    namespace: str
    name: str
    end: float
    lifetime: int
    token: str
    expires: float
    granted: int
    server_name: str = ""
    proxy: str = ""
    insecure: bool = False

    @property
    def cluster(self) -> dict[str, Any]:
        """The cluster's entry in a kubeconfig."""
        fields = {
            "server": self.server,
            "certificate-authority-data": base64.b64encode(self.authority.encode()).decode(),
            "tls-server-name": self.server_name,
            "proxy-url": self.proxy,
            "insecure-skip-tls-verify": self.insecure,
        }
        return {name: value for name, value in fields.items() if value}

    def renewal(self, now: float) -> int:
        """The seconds for which a new token can be asked for; 0 where it would not reach beyond this one."""
        seconds = min(self.lifetime, int(self.end - now) - _MARGIN_SECONDS)
        return seconds if seconds >= MIN_SECONDS and now + seconds > self.expires else 0

    @property
    def due(self) -> float:
        """When to renew it: a third of its life is left."""
        return self.expires - self.granted / 3

    def status(self, now: float) -> Status:
        """What kubectl is told. Programs that run for long ask again when the token is due, not later."""
        told = self.due if now < self.due and self.renewal(self.due) else self.expires
        return {"token": self.token, "expirationTimestamp": timestamp(told)}

    def credentials(self) -> "Credentials":
        """The credentials with which the agent calls the API server. Raises NoCredentials."""
        # Most calls do without it.
        from seconder.client import client_config

        return client_config.told(self.cluster, {"token": self.token})


def request(api: "Api", namespace: str, name: str, seconds: int) -> tuple[str, float, int]:
    """Ask for a token of a ServiceAccount; give it, when it expires, and for how many seconds it was made.

    Raises Problem and ApiError.
    """
    answer = api.create(
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        token_request(seconds),
        timeout=_TIMEOUT_SECONDS,
    )
    try:
        status = answer["status"]
        expires = moments.seconds(status["expirationTimestamp"])
        if expires is None:
            raise ValueError("no time")
        # What it grants may be less than what was asked for.
        return str(status["token"]), expires, int(answer["spec"]["expirationSeconds"])
    except (KeyError, TypeError, ValueError):
        raise Problem("the API server's answer holds no token") from None


def token_request(seconds: int) -> dict[str, Any]:
    """The document that asks for a token."""
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": seconds},
    }


_state: Final = TypeReader(State)


def read(path: Path) -> State:
    """Read the file. Raises Problem."""
    try:
        return _state.decode(private_files.read(path))
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; {ANEW}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Problem(f"{path} does not hold an agent's token; {ANEW}") from None


def write(path: Path, state: State) -> None:
    """Write the file. Raises OSError."""
    private_files.write(path, msgspec.json.encode(state))


def current(path: Path, now: float) -> State:
    """The token that is in the file, or a new one when it is due. Raises Problem."""
    state = read(path)
    _check(state, now)
    if now < state.due or not state.renewal(now):
        return state
    state = _renewed(path, state, now)
    _check(state, now)
    return state


def kubeconfig(state: State, file: Path | None) -> dict[str, Any]:
    """A kubeconfig whose user is the token in this file (an absolute path); without one, the token itself."""
    cluster = urlsplit(state.server).netloc
    user = _who(state)
    plugin = {
        "apiVersion": f"{GROUP}/v1",
        "command": PROGRAM,
        "args": ["agent-token", "--state", str(file)],
        "interactiveMode": "Never",
        "provideClusterInfo": False,
        "installHint": f"{PROGRAM} is not on PATH: install Seconder's kubectl plugin",
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": state.cluster}],
        "users": [{"name": user, "user": {"exec": plugin} if file else {"token": state.token}}],
        "contexts": [{"name": user, "context": {"cluster": cluster, "user": user}}],
        "current-context": user,
    }


def timestamp(moment: float) -> str:
    """RFC 3339, rounded down to whole seconds."""
    return times.rfc3339(int(moment))


def _renewed(path: Path, state: State, now: float) -> State:
    """A new token, or the one that is still good for a while: the next call tries again then."""
    # Most calls do without them, and they are slow to load.
    from filelock import FileLock

    # Most calls do without it, and it is slow to load.
    from seconder.client.api import Api, ApiError
    from seconder.client.credentials import NoCredentials

    # Of the system's own, which ends with this process: a lock that is but a file would outlive it.
    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=_LOCK_SECONDS, mode=0o600, fallback_to_soft=False)
    try:
        with lock:
            # Somebody else may have renewed it meanwhile.
            state = read(path)
            if now < state.due:
                return state
            api = Api(state.credentials(), user_agent=PROGRAM, connections=1)
            token, expires, granted = request(api, state.namespace, state.name, state.renewal(now))
            state = msgspec.structs.replace(state, token=token, expires=expires, granted=granted)
            write(path, state)
    except ApiError as error:
        if error.status == 401:
            raise Problem(f"the API server does not accept the token of {_who(state)} any more; {ANEW}") from None
    except (OSError, NoCredentials):
        pass
    return state


def _check(state: State, now: float) -> None:
    if not now < state.end:
        raise Problem(f"the access of {_who(state)} ended at {timestamp(state.end)}; {ANEW}")
    if not now < state.expires:
        raise Problem(f"the token of {_who(state)} expired at {timestamp(state.expires)} unused; {ANEW}")


def _who(state: State) -> str:
    return f"{state.namespace}/{state.name}"
