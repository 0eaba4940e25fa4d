"""What all operators' commands share: the actor and the reason, the database, the exit code."""

import argparse
import os
import socket
import sys
from collections.abc import Callable, Sequence

from rapport_runtime.database import Database

OperatorCommand = Callable[[Database, bytes, Sequence[str]], int]
"""(the worker's database, the key for hashes of personal values, the arguments) -> exit code."""


class Refused(Exception):
    """The command cannot be carried out; the message is the reason."""


def add_reason(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add `--why` and `--by`, for the audit."""
    parser.add_argument("--why", required=required, type=_not_blank, help="for the audit")
    parser.add_argument("--by", default=_account(), help="who you are; default: this account")


def run_and_print(command: Callable[[], list[str]]) -> int:
    """Print the lines of `command` and return 0; for `Refused` print the reason and return 2."""
    try:
        lines = command()
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _not_blank(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say why")
    return text


def _account() -> str:
    """The account by its number: in containers it often has no name."""
    return f"user {os.getuid()} at {socket.gethostname()}"
