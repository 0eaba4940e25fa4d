"""A Python that every user may start, in place of a base image's."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
# What is compiled comes along: the images' users may not write what they would compile anew.
_LEFT_OUT = shutil.ignore_patterns("site-packages", "test", "config-*", "idlelib")


@dataclass(frozen=True)
class BasePython:
    """An interpreter, and what must be in the environment wherever it runs."""

    executable: Path
    environment: Mapping[str, str]


def base_python(folder: Path) -> BasePython:
    """Ours; or a copy of it in `folder`, where others may not enter the place that ours is in."""
    ours = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if os.geteuid() != 0 or _others_may_start(ours):
        return BasePython(ours, {})
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    for name in ("bin", "lib"):
        (folder / name).mkdir(mode=0o755, parents=True)
    shutil.copy(ours, folder / "bin")
    shutil.copytree(library, folder / "lib" / library.name, ignore=_LEFT_OUT)
    for shared in library.parent.glob("libpython*.so*"):
        shutil.copy(shared, folder / "lib")
    return BasePython(folder / "bin" / ours.name, {"LD_LIBRARY_PATH": str(folder / "lib")})


def _others_may_start(python: Path) -> bool:
    try:
        command = [python, "-c", "import ssl"]
        return (
            subprocess.run(command, user=NOBODY, check=False, capture_output=True).returncode == 0
        )
    except PermissionError:
        return False
