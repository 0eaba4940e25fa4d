"""The command `lift`: a person says that a risk which another system noted is over, or that a
signal of care which is missing will not come (ADR 52)."""

import argparse
from collections.abc import Callable
from typing import Any, Final

from outreach_service.domain.care import Flag, lifted
from outreach_service.ports.store import Store
from rapport_runtime.database import Database
from rapport_runtime.ops import audit
from rapport_runtime.ops.operators import OperatorCommand, Refused, Secrets, actor, add_reason

OpenStore = Callable[[Any], Store]
"""The store in a transaction."""
_COLUMNS: Final = "flag\tkind\tstate\tsince"


def lift_command(open_store: OpenStore) -> OperatorCommand:
    """The command that lists a client's flags, or lifts one of them."""

    def act(database: Database, _secrets: Secrets, options: argparse.Namespace) -> list[str]:
        with database.transaction() as tx:
            store = open_store(tx)
            store.lock_clients(options.practice, [options.client])
            flags = store.care.of_client(options.practice, options.client)
            if options.flag is None:
                return [_COLUMNS, *map(_line, flags)]
            flag = lift(store, flags, options.flag)
            subject = f"client {options.client} of practice {options.practice}, flag {options.flag}"
            audit.record(
                tx, audit.AuditEntry(actor(options), "drop", "flags", subject, options.why)
            )
            return [_line(flag)]

    return OperatorCommand(_parser(), act)


def lift(store: Store, flags: list[Flag], object_id: str) -> Flag:
    """Lift one of a client's flags, whose lock is held. Raises `Refused` where there is none that
    holds."""
    found = next((each for each in flags if each.object_id == object_id), None)
    if found is None:
        raise Refused("this client has no such flag; without --flag the command lists them")
    new = lifted(found)
    if new is None:
        raise Refused(f"this flag is {found.state}: it keeps nothing back, or ends by its source")
    store.care.save([new])
    return new


def _line(flag: Flag) -> str:
    return f"{flag.object_id}\t{flag.kind}\t{flag.state}\t{flag.since.isoformat()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lift",
        description="lift the flag of a risk that is over, or of a signal that is missing for good"
        " (gap), so that messages go to the client again;"
        " without --flag, list the client's flags. Only a person may do so: what another system"
        " says to be cleared keeps its flag.",
    )
    parser.add_argument("--practice", metavar="ID", required=True)
    parser.add_argument("--client", metavar="ID", required=True)
    parser.add_argument("--flag", metavar="ID", help="as listed")
    add_reason(parser, required=True)
    return parser
