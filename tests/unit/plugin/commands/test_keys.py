"""keys lint on files that people take for public keys."""

import subprocess
from pathlib import Path

import pytest

from seconder.plugin.main import main


@pytest.mark.parametrize("format", ["OpenSSH", "PEM", "PKCS8"])
def test_a_private_key_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:  # noqa: A002
    """One line for the file, which says what to give instead and shows nothing of what is in it."""
    path = tmp_path / "key"
    kind = ("-t", "ed25519") if format == "OpenSSH" else ("-t", "ecdsa", "-m", format)
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", "-f", str(path)], check=True)
    assert main(["keys", "lint", str(path)]) == 1
    told = capsys.readouterr().out
    assert told.startswith(f"{path}: PROBLEM: this is a private key")
    assert "in the .pub file" in told
    assert told.count("\n") == 1
    assert path.read_text().splitlines()[1] not in told
