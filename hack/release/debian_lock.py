"""``make lock-debian``: has apt resolve anew which packages of Debian the image is made of, and writes debian.lock.

apt does it in a folder of its own, for each architecture, and checks the archive's signature by Debian's own keys.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from localstack.errors import StackError
from node import base
from release import debian
from release.platforms import IMAGES
from versions import ROOT

_WANTED: Final = ("base-files", "libstdc++6", "python3")
"""Python, what some wheels are linked with, and what tells which Debian this is."""

_UNUSED: Final = frozenset({"debconf", "dpkg", "libacl1", "libmd0", "libpcre2-8-0", "libselinux1", "mawk", "tar"})
"""What packages need to be installed by dpkg, and no program of the image needs to run."""

_KEYS: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_HEAD: Final = """\
# The packages of Debian that the released image is made of: architecture, name, version, SHA-256, path in the archive.
# Written by make lock-debian; do not change it by hand.
"""


def main() -> int:
    """Write the lock; give the exit code."""
    try:
        lines = [str(package) for platform in IMAGES for package in _resolved(platform.architecture)]
    except (StackError, OSError) as error:
        print(f"lock-debian: {error}", file=sys.stderr)
        return 1
    (ROOT / debian.LOCK).write_text(_HEAD + "".join(f"{line}\n" for line in lines))
    print(f"wrote {debian.LOCK}: {len(lines)} packages", file=sys.stderr)
    return 0


def _resolved(architecture: str) -> list[debian.Package]:
    """The packages for an architecture, by name. Raises ``StackError`` with apt's words."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = _options(architecture, folder)
        _run("apt-get", *options, "update", "--error-on=any")
        printed = _run("apt-get", *options, "install", "--no-install-recommends", "--print-uris", "--yes", *_WANTED)
        chosen = {}
        for address, file in re.findall(r"^'(\S+)' (\S+)_\S+\.deb ", printed, re.MULTILINE):
            package, _, version = unquote(file).partition("_")
            if package not in _UNUSED:
                chosen[package, version] = unquote(address)
        shown = _run("apt-cache", *options, "show", *(f"{package}={version}" for package, version in chosen))
        found = []
        for paragraph in shown.strip().split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|SHA256|Filename): (\S+)$", paragraph, re.MULTILINE))
            address = chosen.pop((fields["Package"], fields["Version"]))
            archive = address.removesuffix(fields["Filename"]).rstrip("/").rpartition("/")[2]
            path = f"{archive}/{fields['Filename']}"
            found.append(debian.Package(architecture, fields["Package"], fields["Version"], fields["SHA256"], path))
        if chosen:
            raise StackError(f"apt tells nothing of {', '.join(map(' '.join, chosen))}")
    return sorted(found, key=lambda each: each.name)


def _options(architecture: str, folder: Path) -> list[str]:
    """What has apt look at nothing of this machine's but its keys and its mirrors."""
    for name in ("lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    known = debian.mirrors()
    suites = {"debian": (base.RELEASE, f"{base.RELEASE}-updates"), "debian-security": (f"{base.RELEASE}-security",)}
    (folder / "sources.list").write_text(
        "".join(
            f"deb [signed-by={_KEYS}] {known[name][0]} {suite} main\n"
            for name, listed in suites.items()
            for suite in listed
        )
    )
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "",
        "Dir::Cache": folder / "cache",
        "Dir::Etc": folder / "etc",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "pkgCacheGen::Essential": "none",
    }
    return [f"--option={key}={value}" for key, value in settings.items()]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
