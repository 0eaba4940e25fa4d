"""What Linux says of a process that a test has started, or whose child it is."""

from pathlib import Path


def state_of(pid: int) -> str | None:
    """The process's state in one letter, such as S (sleeps) or T (stopped); None if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(pid: int) -> bool:
    """Whether the process is there and not a zombie that nobody has waited for."""
    return state_of(pid) not in {None, "Z"}
