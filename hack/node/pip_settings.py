"""How this machine's pip reaches its registry, handed to a build as secrets: nothing of it stays in the image."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PASSED_ON: Final = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
"""Other settings name folders of this machine, or are a matter of taste."""

_AUTHORITY_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_AUTHORITY_IN_BUILD: Final = "/run/secrets/ca.pem"


def secrets(scratch: Path) -> dict[str, Path]:
    """The Dockerfile's secrets ``pip.conf`` and, where the machine has one of its own, ``ca.pem``, by id.

    What must be written is written into ``scratch``.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    text, authority = build_settings(listed, os.environ)
    configuration = scratch / "pip.conf"
    configuration.write_text(text)
    return {"pip.conf": configuration} | ({"ca.pem": authority} if authority else {})


def build_settings(listed: str, environment: Mapping[str, str]) -> tuple[str, Path | None]:
    """The text of a pip.conf for the build, and the machine's file of authorities if it names one.

    ``listed`` is what ``pip config list`` printed: lines such as ``global.index-url='...'``. A variable beats a file.
    """
    found: dict[str, str] = {}
    lines = re.findall(r"^(\S+?)\.([a-z-]+)=(.*)$", listed, re.MULTILINE)
    for section in ("global", "install", ":env:"):
        found |= {key: str(ast.literal_eval(value)) for where, key, value in lines if where == section}
    settings: dict[str, str] = {key: found[key] for key in _PASSED_ON if key in found}
    authority = found.get("cert") or next((environment[key] for key in _AUTHORITY_VARIABLES if key in environment), "")
    if authority:
        settings["cert"] = _AUTHORITY_IN_BUILD
    body = "".join(f"{key} = {value.replace(chr(10), chr(10) + '  ')}\n" for key, value in settings.items())
    return f"[global]\n{body}", Path(authority) if authority else None
