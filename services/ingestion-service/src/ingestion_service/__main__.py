"""`python -m ingestion_service api | worker | migrate | …`; `-h` lists all commands."""

import sys

from ingestion_service.bootstrap import COMMANDS
from rapport_runtime.cli import main


def run() -> int:
    """The command line, also installed as `ingestion-service`; its exit code."""
    return main("ingestion_service", COMMANDS, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
