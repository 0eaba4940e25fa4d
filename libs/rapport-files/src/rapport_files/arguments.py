"""What commands that read files take from the command line."""

import argparse
from collections.abc import Callable


def answer(example: str) -> Callable[[str], tuple[str, str]]:
    """The type of an argument that answers a question about a file, such as `example`. What it
    returns raises argparse.ArgumentTypeError."""

    def parse(text: str) -> tuple[str, str]:
        key, found, choice = text.partition("=")
        if not found:
            raise argparse.ArgumentTypeError(f"KEY=CHOICE, such as {example}")
        return key, choice

    return parse
