"""Where things lie in the repository."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
JARS = REPOSITORY / ".local" / "kafka" / "jars"
PUBLIC_DATA = Path(os.environ.get("RAPPORT_PUBLIC_DATA", REPOSITORY.parent / "shared" / "data"))
"""Files of the public that are not ours to publish, where there are any."""
