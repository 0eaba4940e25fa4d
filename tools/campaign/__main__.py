"""`make campaign`: `python -m tools.campaign`."""

import sys

from tools.campaign.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
