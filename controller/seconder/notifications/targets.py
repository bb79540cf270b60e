"""Targets of notifications, from a folder that a Secret is mounted on: a file each, its name the target's.

Its content is an Apprise URL, or ``cloudevents+https://HOST/PATH?secret=whsec_BASE64``. No error here shows a value:
each holds a password of somebody's.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from seconder.notifications.routes import Unusable

CA: Final = "ca.crt"
"""Not a target: authorities, in PEM, that CloudEvents targets' certificates may be from, beside the system's."""

_MOST: Final = 32
_MOST_BYTES: Final = 65_536
_FEWEST_SECRET_BYTES: Final = 24
"""Source: Standard Webhooks, "signature scheme": a secret has 24 to 64 bytes."""

_CLOUD_EVENTS: Final = "cloudevents+"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class CloudEventsTarget(NamedTuple):
    """Where a CloudEvent is posted, and the key that it is signed with."""

    name: str
    url: str
    key: bytes
    ca_file: str


class AppriseTarget(NamedTuple):
    """A service that Apprise knows, by its URL."""

    name: str
    url: str


Target = CloudEventsTarget | AppriseTarget


def read(folder: Path) -> tuple[Mapping[str, Target], list[str]]:
    """The targets by name, and what is wrong with the others, in words without a secret. Raises Unusable."""
    try:
        # Kubernetes keeps the Secret's own files behind links whose names begin with two dots.
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise Unusable(f"notification targets in {folder}: {error.strerror}") from None
    ca_file = str(folder / CA) if CA in names else ""
    found: dict[str, Target] = {}
    wrong = [f"{len(names)} targets: only {_MOST} are told"] if len(names) > _MOST else []
    for name in names[:_MOST]:
        if name != CA:
            try:
                found[name] = parse(name, _text(folder / name), ca_file)
            except Unusable as error:
                wrong.append(str(error))
    return found, wrong


def parse(name: str, text: str, ca_file: str = "") -> Target:
    """One target. Raises Unusable."""
    if not text.startswith(_CLOUD_EVENTS):
        return AppriseTarget(name, text)
    try:
        parts = urlsplit(text.removeprefix(_CLOUD_EVENTS))
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise Unusable(f"notification target {name}: not a URL") from None
    if not host or parts.scheme not in {"https", "http"} or (parts.scheme == "http" and host not in _LOOPBACK):
        raise Unusable(f"notification target {name}: give cloudevents+https://HOST/PATH?secret=whsec_BASE64")
    query = parse_qsl(parts.query, keep_blank_values=True)
    key = _key(name, [value for option, value in query if option == "secret"])
    rest = urlencode([(option, value) for option, value in query if option != "secret"])
    return CloudEventsTarget(name, parts._replace(query=rest, fragment="").geturl(), key, ca_file)


def _key(name: str, secrets: list[str]) -> bytes:
    wrong = Unusable(
        f"notification target {name}: messages are signed; end it with ?secret=whsec_ and the base64 form of"
        f" {_FEWEST_SECRET_BYTES} random bytes or more"
    )
    if len(secrets) != 1:
        raise wrong
    try:
        # In a query a plus sign stands for a space.
        key = base64.b64decode(secrets[0].removeprefix("whsec_").replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if len(key) < _FEWEST_SECRET_BYTES:
        raise wrong
    return key


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Unusable(f"notification target {path.name}: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise Unusable(f"notification target {path.name}: longer than {_MOST_BYTES} bytes")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise Unusable(f"notification target {path.name}: not one URL")
    return text
