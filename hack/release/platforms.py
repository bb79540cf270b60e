"""The systems that are released for."""

import platform
from dataclasses import dataclass
from typing import Final

from packaging import tags

_OLDEST_GLIBC: Final = 28
"""glibc 2.28 is what the wheels of cryptography need: RHEL 8, Debian 10, Ubuntu 20.04 and later have it."""

_OLDEST_MACOS: Final = (11, 0)
_LEGACY: Final = {12: "manylinux2010", 17: "manylinux2014"}
_FIRST_GLIBC: Final = {"x86_64": 5, "aarch64": 17}
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Platform:
    """A system (``linux``, ``darwin``) and an architecture (``amd64``, ``arm64``), in the words of Go, OCI and krew."""

    system: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.system}-{self.architecture}"

    @property
    def machine(self) -> str:
        """What ``uname -m`` says there."""
        return "arm64" if self.system == "darwin" and self.architecture == "arm64" else _MACHINES[self.architecture]

    @property
    def tags(self) -> tuple[str, ...]:
        """The platform tags of the wheels that it takes, the best first. Source: PEP 600 and PEP 425."""
        if self.system == "darwin":
            return tuple(tags.mac_platforms(_OLDEST_MACOS, self.machine))
        found = []
        for minor in range(_OLDEST_GLIBC, _FIRST_GLIBC[self.machine] - 1, -1):
            found.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _LEGACY:
                found.append(f"{_LEGACY[minor]}_{self.machine}")
        return tuple(found)

    def environment(self, python: tuple[int, int]) -> dict[str, str]:
        """What environment markers read there, under CPython ``python``. Source: PEP 508."""
        version = f"{python[0]}.{python[1]}"
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{version}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": self.system.title(),
            "python_full_version": f"{version}.0",
            "python_version": version,
            "sys_platform": self.system,
        }


IMAGES: Final = (Platform("linux", "amd64"), Platform("linux", "arm64"))
"""What the image is built for."""

PLUGINS: Final = (*IMAGES, Platform("darwin", "arm64"))
"""What the plugin is packed for. cryptography has no wheels for macOS on Intel any more."""

PYTHONS: Final = ((3, 11), (3, 12), (3, 13), (3, 14))
"""The Pythons that a packed plugin runs under: its compiled parts are for each of them."""


def here() -> Platform | None:
    """The one of ``IMAGES`` that this machine is, None when it is neither."""
    machine = platform.machine().lower()
    return next((each for each in IMAGES if platform.system() == "Linux" and each.machine == machine), None)
