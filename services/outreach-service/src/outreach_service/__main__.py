"""`python -m outreach_service api | worker | migrate | keys | pause | …`; `-h` lists all."""

import sys

from outreach_service.bootstrap import COMMANDS
from rapport_runtime.assembly import main

if __name__ == "__main__":
    sys.exit(main("outreach_service", COMMANDS, sys.argv[1:]))
