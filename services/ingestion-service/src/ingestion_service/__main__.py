"""`python -m ingestion_service api | worker | migrate | keys | pause | …`; `-h` lists all."""

import sys

from ingestion_service.bootstrap import COMMANDS
from rapport_runtime.assembly import main

if __name__ == "__main__":
    sys.exit(main("ingestion_service", COMMANDS, sys.argv[1:]))
