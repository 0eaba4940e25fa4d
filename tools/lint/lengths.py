"""What must stay short, so that it is read."""

from pathlib import Path

README_WORDS = 600
FILE_LINES = 400
FOLDERS = ("services", "libs", "tools", "tests")
FOREIGN = frozenset({"vendor", ".venv", "build"})


def words(page: Path) -> int:
    """The words of a page, counted as `wc -w` does."""
    return len(page.read_text("utf-8").split())


def long_files(root: Path) -> list[str]:
    """The Python files that are too long, other projects' aside."""
    return sorted(
        path.relative_to(root).as_posix()
        for folder in FOLDERS
        for path in (root / folder).rglob("*.py")
        if FOREIGN.isdisjoint(path.relative_to(root).parts)
        and len(path.read_text("utf-8").splitlines()) > FILE_LINES
    )


def too_long(root: Path) -> list[str]:
    """One line for each thing that is too long, with its limit."""
    found = [f"{name}: more than {FILE_LINES} lines; split it" for name in long_files(root)]
    if words(root / "README.md") > README_WORDS:
        found.append(f"README.md: more than {README_WORDS} words; move some to docs/")
    return found
