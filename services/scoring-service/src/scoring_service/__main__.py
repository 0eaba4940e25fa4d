"""`python -m scoring_service api | worker | migrate | keys | pause | …`; `-h` lists all."""

import sys

from rapport_runtime.assembly import main
from scoring_service.bootstrap import COMMANDS

if __name__ == "__main__":
    sys.exit(main("scoring_service", COMMANDS, sys.argv[1:]))
