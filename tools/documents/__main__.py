"""`make documents`: one line for each tool and document; 1 when there is an error, 2 when the tools
could not run.

Options: `--folder PATH` (where the tools are installed, or are already; a temporary one otherwise).
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.documents.checks import PACKAGES, DidNotRun, Verdict, install, verdicts

NOT_RUN = 2


def main(argv: Sequence[str]) -> int:
    """Run them and print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make documents", description=__doc__)
    parser.add_argument("--folder", type=Path)
    folder = parser.parse_args(argv).folder
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        print(f"not run: no {' and no '.join(missing)}")
        return NOT_RUN
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return check_in(folder)
    with tempfile.TemporaryDirectory(prefix="rapport-documents-") as name:
        return check_in(Path(name))


def check_in(folder: Path) -> int:
    """Install the tools unless they are there, and let each read its documents."""
    try:
        if not (folder / "node_modules").is_dir():
            install(folder)
        found = list(verdicts(folder))
    except (DidNotRun, OSError, subprocess.CalledProcessError) as error:
        print(f"not run: {error}")
        return NOT_RUN
    print(", ".join(f"{name} {version}" for name, version in PACKAGES.items()))
    for one in found:
        print(line(one))
    return 1 if any(one.errors for one in found) else 0


def line(one: Verdict) -> str:
    """A verdict in one line."""
    counts = f"{one.errors} errors, {one.warnings} warnings"
    return f"{one.tool:24} {one.document:24} {counts}{one.first and ': ' + one.first}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
