"""Real keys and real signatures, made by ssh-keygen, in batches: one process signs thousands of statements."""

import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import reviews

ANNOTATION: Final = "approval.seconder.dev/alice"
LIFETIME_SECONDS: Final = 3600
_BATCH: Final = 2000
"""Files on one command line, far below the shortest limit on its length."""


def make_key(path: Path) -> str:
    """Make an Ed25519 key without passphrase at path; give the public key's line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def statement(audience: str, issuer: str, **claims: object) -> str:
    """Give an approval of the benchmark's DELETE in canonical form; claims replace the usual ones."""
    now = int(time.time())
    document = {
        "act": {"sub": reviews.AGENT},
        "aud": audience,
        "authorization_details": [
            {
                "actions": ["Delete"],
                "group": "apps",
                "identifier": reviews.UID,
                "name": reviews.NAME,
                "namespace": reviews.NAMESPACE,
                "resource": "deployments",
                "type": "https://seconder.dev/approval/v1",
            }
        ],
        "exp": now + LIFETIME_SECONDS,
        "iat": now,
        "iss": issuer,
        "jti": secrets.token_hex(16),
        "reason": "INC-4821 decommission of the old checkout",
        "sub": reviews.REQUESTER,
    }
    return json.dumps({**document, **claims}, sort_keys=True, separators=(",", ":"))


def sign(key: Path, statements: Sequence[str]) -> list[str]:
    """Give each statement's annotation value: its line, then the armored signature over that line."""
    values: list[str] = []
    for first in range(0, len(statements), _BATCH):
        values += _sign_batch(key, statements[first : first + _BATCH])
    return values


def _sign_batch(key: Path, statements: Sequence[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(number) for number in range(len(statements))]
        for file, text in zip(files, statements, strict=True):
            file.write_text(f"{text}\n")
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "k8s-approval@seconder.dev", "-f", str(key.absolute())]
        subprocess.run([*command, *(file.name for file in files)], cwd=folder, check=True, capture_output=True)
        return [f"{text}\n{file.with_suffix('.sig').read_text()}" for file, text in zip(files, statements, strict=True)]
