"""`python -m outreach_service api | worker | migrate | keys`."""

import sys

from rapport_runtime.assembly import main

from outreach_service.bootstrap import COMMANDS

if __name__ == "__main__":
    sys.exit(main("outreach_service", COMMANDS, sys.argv[1:]))
