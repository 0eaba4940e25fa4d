"""`python -m outreach_service api | worker | migrate | …`; `-h` lists what else."""

import sys

from outreach_service.bootstrap import COMMANDS
from rapport_runtime.cli import main


def run() -> int:
    """The command line, also installed as `outreach-service`; its exit code."""
    return main("outreach_service", COMMANDS, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
