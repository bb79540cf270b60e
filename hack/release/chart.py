"""The chart as it is published: with the digest of the image that was built beside it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from chart import files
from localstack.binaries import provide
from localstack.errors import StackError
from localstack.pins import Binary

_CHART: Final = "charts/seconder"
_UNSET: Final = '  digest: ""\n'
_SECONDS: Final = 60


def packaged(source: Path, into: Path, digest: str, epoch: int) -> Path:
    """Package the chart of the tree ``source``, whose ``image.digest`` becomes ``digest``; give the file.

    Raises ``StackError`` with Helm's words.
    """
    helm = provide((Binary.HELM,), any_kubectl=False)[Binary.HELM]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "seconder"
        shutil.copytree(source / _CHART, folder)
        values = (folder / "values.yaml").read_text()
        if values.count(_UNSET) != 1:
            raise StackError(f"{_CHART}/values.yaml has not one line {_UNSET.strip()}")
        (folder / "values.yaml").write_text(values.replace(_UNSET, f'  digest: "{digest}"\n'))
        for path, content in files.about(folder).items():
            path.write_text(content)
        # Helm gives files in the archive the times that they have.
        for path in folder.rglob("*"):
            os.utime(path, (epoch, epoch))
        homes = {f"HELM_{each}_HOME": name for each in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [helm, "package", folder, f"--destination={into}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={"PATH": os.environ["PATH"], "HOME": name, **homes},
        )
    if done.returncode != 0:
        raise StackError(f"helm package failed: {done.stderr.strip()}")
    (found,) = into.glob("seconder-*.tgz")
    return found
