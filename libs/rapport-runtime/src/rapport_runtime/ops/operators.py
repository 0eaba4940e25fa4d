"""What all operators' commands share: words before settings, who did it and why, the exit code."""

import argparse
import os
import pwd
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rapport_runtime.database import Database
from rapport_runtime.one_line import is_reason
from rapport_runtime.sealing import Keyring

_ROOT = 0


class Refused(Exception):
    """The command cannot be carried out; the message is the reason."""


class Secrets(Protocol):
    """What of a service's settings a command may use, as far as it needs it."""

    @property
    def simulated_clock(self) -> bool:
        """Whether an operator sets the service's time."""

    @property
    def cursor_key(self) -> bytes:
        """The key for hashes of personal values."""

    @property
    def record_keyring(self) -> Keyring:
        """The keys of records at rest. Raises `SettingsError` when there are none."""


@dataclass(frozen=True)
class OperatorCommand:
    """A command that needs the worker's database: `parser` understands its words, then `act`
    carries it out and gives the lines to print. `act` is called with the database, the secrets and
    the words; it raises `Refused`.

    They are apart so that help is given, and an unknown word refused, before anything is opened.
    """

    parser: argparse.ArgumentParser
    act: Callable[[Database, Secrets, argparse.Namespace], list[str]]

    def __call__(self, database: Database, secrets: Secrets, argv: Sequence[str]) -> int:
        """Carry out the command of these arguments; its exit code."""
        return self.carry_out(database, secrets, self.parser.parse_args(argv))

    def carry_out(self, database: Database, secrets: Secrets, options: argparse.Namespace) -> int:
        """Carry out the command of these words; its exit code."""
        return run_and_print(lambda: self.act(database, secrets, options))


def add_reason(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add `--why` and `--by`, for the audit; `required` is about the reason."""
    account = account_name()
    default = f"default: {account}" if account else "this account has no name of a person"
    parser.add_argument("--why", required=required, type=_one_line, help="for the audit")
    parser.add_argument("--by", type=_one_line, default=account, help=f"who you are; {default}")


def actor(options: argparse.Namespace) -> str:
    """Who gives the command. Raises `Refused` when nobody knows."""
    if options.by is None:
        raise Refused("say who you are: --by (this account has no name of a person)")
    return str(options.by)


def account_name() -> str | None:
    """The account that gives the command, such as `ann at db1`; of `sudo`, who called it.

    None for root, and for a number without a name, as containers have it: the audit would hold
    the same words for everybody.
    """
    number = os.getuid()
    if number == _ROOT:
        name = os.environ.get("SUDO_USER", "root")
    else:
        try:
            name = pwd.getpwuid(number).pw_name
        except KeyError:
            return None
    return None if name == "root" else f"{name} at {socket.gethostname()}"


def run_and_print(command: Callable[[], list[str]]) -> int:
    """Print the lines of `command` and return 0; for `Refused` print the reason and return 2."""
    try:
        lines = command()
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    print_lines(lines)
    return 0


def print_lines(lines: Iterable[str]) -> None:
    """Print to stdout. A reader that has seen enough (`… | head`) is no error: the command was
    carried out before."""
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(text: str) -> str:
    if not is_reason(text):
        raise argparse.ArgumentTypeError(
            "must be one line, not blank, without control characters and marks of direction"
        )
    return text
