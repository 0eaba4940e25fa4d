"""`python -m tests.support.contracts write | check | snapshot`: what `make` calls."""

import argparse
import sys

from tests.support.contracts import comparison, documents
from tests.support.contracts.comparison import may_break


def main() -> int:
    """Do it; returns the exit status, 1 when something breaks a promise."""
    parser = argparse.ArgumentParser(prog="tests.support.contracts", description=__doc__)
    parser.add_argument("what", choices=["write", "check", "snapshot"])
    what = parser.parse_args().what
    if what == "write":
        documents.write(documents.PACKAGE)
        return 0
    version = documents.version()
    last = [one for one in documents.releases()[-1:] if not may_break(one.name, version)]
    breaks = [line for one in last for line in comparison.breaks_since(one, documents.PACKAGE)]
    for line in breaks:
        print(line)
    if what == "snapshot" and not breaks:
        print(f"kept as {documents.snapshot(documents.PACKAGE, version)}")
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(main())
