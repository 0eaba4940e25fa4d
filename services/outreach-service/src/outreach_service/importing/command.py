"""The command `import-contacts`: a file of contacts and consents into outreach (ADR 58).

What reads files is imported when a file is read: no other process of the service needs it.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from outreach_service.importing.place import Place
from rapport_files.arguments import answer
from rapport_runtime.in_clear import http_in_clear
from rapport_runtime.ops.operators import Refused, run_and_print
from rapport_runtime.settings import PREFIX

KEY: Final = f"{PREFIX}IMPORT_KEY"
INGESTION: Final = f"{PREFIX}INGESTION_URL"
OUTREACH: Final = f"{PREFIX}OUTREACH_URL"
_DESCRIPTION: Final = (
    "take a file of a practice (CSV, JSON Lines, Excel's .xlsx) of how its clients are reached and"
    " to what they have consented. First it tells what it understood; with --yes it finds the"
    " clients by ingestion's API and tells outreach's API. Killed and given again, it goes over the"
    " file anew: what was told before changes nothing."
)
_EPILOG: Final = (
    f"{KEY} is the practice's API key, which may read clients, and write contacts and consents. It"
    " is no option, since everybody on a host sees those."
)


def import_contacts(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """The command of these arguments; its exit code."""
    options = _parser(environment).parse_args(argv)

    def act() -> list[str]:
        from outreach_service.importing.running import run  # noqa: PLC0415 - see above

        return run(options, _place(options, environment) if options.yes else None)

    return run_and_print(act)


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="import-contacts", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--namespace",
        required=True,
        metavar="NAME",
        help="whose client numbers the file has, as its source was declared",
    )
    parser.add_argument(
        "--answer",
        type=answer("purpose=care"),
        action="append",
        default=[],
        metavar="KEY=CHOICE",
        help="to a question about the file, such as purpose=care",
    )
    parser.add_argument(
        "--errors", type=Path, metavar="FILE", help="a CSV file for all lines that are refused"
    )
    for name, variable in (("ingestion", INGESTION), ("outreach", OUTREACH)):
        parser.add_argument(
            f"--{name}",
            default=environment.get(variable),
            metavar="URL",
            help=f"where its API is; default: {variable}",
        )
    parser.add_argument(
        "--in-clear",
        action="store_true",
        help="the APIs may be on another host without TLS, where nobody listens",
    )
    parser.add_argument("--yes", action="store_true", help="take the file")
    return parser


def _place(options: argparse.Namespace, environment: Mapping[str, str]) -> Place:
    """Where to call, with which key. Raises `Refused`."""
    key = environment.get(KEY, "")
    if not key:
        raise Refused(f"{KEY}: the practice's API key is needed")
    for name, variable in (("ingestion", INGESTION), ("outreach", OUTREACH)):
        url = getattr(options, name)
        if not url:
            raise Refused(f"--{name} or {variable}: where is its API?")
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refused(f"--{name}: an address such as https://{name}.example")
        if http_in_clear(url) and not options.in_clear:
            raise Refused(
                f"--{name} must be https: the key and addresses of people go there; or say"
                " --in-clear where nobody listens"
            )
    return Place(options.ingestion, options.outreach, key)
