"""`python -m rapport_devkit.sandbox`: all providers on two loopback ports."""

import argparse
from pathlib import Path

from rapport_devkit.sandbox.app import Options, serve


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="rapport_devkit.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--smtp-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--log", type=Path, required=True, help="deliveries, a JSON object a line")
    parser.add_argument("--token-seconds", type=int, default=7200, help="life of a WeChat token")
    parser.add_argument("--per-second", type=int, default=0, help="calls a provider takes; 0 all")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    serve(_options())
