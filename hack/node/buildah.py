"""Image builds by buildah in a storage of their own, without a daemon and without a registry."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from node import steps

# vfs works on every file system, and chroot wherever runc may not lower an oom_score_adj: both cost a few seconds.
_STORAGE_DRIVER: Final = "vfs"
_ISOLATION: Final = "chroot"


class Buildah:
    """A storage below ``scratch``, gone when that is removed; logs are left in ``logs``."""

    def __init__(self, scratch: Path, logs: Path) -> None:
        self._scratch: Final = scratch
        self._logs: Final = logs
        self._command: Final = (
            "buildah",
            "--storage-driver",
            _STORAGE_DRIVER,
            "--root",
            str(scratch / "storage"),
            "--runroot",
            str(scratch / "run"),
        )

    def build(self, title: str, tag: str, dockerfile: str, files: Mapping[str, Path]) -> None:
        """Build from the text of a Dockerfile and the files, by their names in it."""
        context = self._scratch / "context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        (context / "Dockerfile").write_text(dockerfile)
        for name, source in files.items():
            shutil.copyfile(source, context / name)
            shutil.copymode(source, context / name)
        self.build_folder(title, tag, context)

    def build_folder(
        self,
        title: str,
        tag: str,
        context: Path,
        *,
        arguments: Mapping[str, str] | None = None,
        secrets: Mapping[str, Path] | None = None,
    ) -> None:
        """Build from a folder with a Dockerfile; raises ``StackError`` with the end of the log.

        ``arguments`` are the Dockerfile's; ``secrets``: files by id, of which nothing is in the image.
        """
        options = ["--isolation", _ISOLATION, "--network", "host", "--layers=false", "--tag", tag]
        options += [f"--build-arg={key}={value}" for key, value in (arguments or {}).items()]
        options += [f"--secret=id={key},src={path}" for key, path in (secrets or {}).items()]
        self._run(title, "build", *options, str(context))

    def push(self, title: str, tag: str, archive: Path) -> None:
        """Write the image as an OCI archive, its layers compressed as in a registry."""
        self._run(title, "push", tag, f"oci-archive:{archive}:{tag}")

    def _run(self, title: str, *arguments: str) -> None:
        steps.run(title, [*self._command, *arguments], self._logs / "buildah.log")
