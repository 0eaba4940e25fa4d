"""All checks of this package, in the root of the repository: a line for each finding."""

import sys
from pathlib import Path

from tools.lint import lengths, references, statements


def main() -> int:
    """Print what is found in the working directory; 1 if there is anything, else 0."""
    root = Path.cwd()
    found = [
        *sorted([*references.unresolved(root), *references.public_citations(root)]),
        *lengths.too_long(root),
        *(f"{each}: SQL that goes another way" for each in statements.outside_the_one_way(root)),
    ]
    sys.stdout.writelines(f"{each}\n" for each in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
