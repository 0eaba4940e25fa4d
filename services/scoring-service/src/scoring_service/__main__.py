"""`python -m scoring_service api | worker | migrate | …`; `-h` lists all commands."""

import sys

from rapport_runtime.cli import main
from scoring_service.bootstrap import COMMANDS


def run() -> int:
    """The command line, also installed as `scoring-service`; its exit code."""
    return main("scoring_service", COMMANDS, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
