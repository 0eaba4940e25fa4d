"""What the commands of operators share: who gave one, on which database, and how it ends."""

import argparse
import os
import socket
import sys
from collections.abc import Callable, Sequence

from rapport_runtime.database import Database

OperatorCommand = Callable[[Database, bytes, Sequence[str]], int]
"""From the worker's door, the key that hashes what must not be shown, and the words after the
command, to the exit code."""


class Refused(Exception):
    """The command cannot be carried out; the message says why."""


def add_reason(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`--why` and `--by`, for the audit."""
    parser.add_argument("--why", required=required, type=_said, help="for the audit")
    parser.add_argument("--by", default=_somebody(), help="who you are; default: this account")


def answer(say: Callable[[], list[str]]) -> int:
    """Print the lines and return 0; for what is refused 2 and why."""
    try:
        lines = say()
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _said(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say why")
    return text


def _somebody() -> str:
    """Containers often have no name for their user, so the number it is."""
    return f"user {os.getuid()} at {socket.gethostname()}"
