"""What a spreadsheet has damaged: by the cell alone, or beside the other cells of its column."""

import re

from rapport_files.problems import Refused
from rapport_files.said import said
from rapport_files.words import half_width

_POWER_OF_TEN = re.compile(r"[+-]?(\d[.,]\d+E\+?\d+|\dE\+\d+)", re.ASCII | re.IGNORECASE)
_NO_VALUE = frozenset(
    {"null", "(null)", "<null>", "none", "nan", "nil", "n/a", "undefined", "-", "--", "无", "空"}
)
_SHEET_ERROR = re.compile(r"#(N/A|[A-Z0-9/]+[!?])", re.IGNORECASE)
_TOO_NARROW = re.compile(r"##+")
_KEPT_DIGITS = 15
"""A spreadsheet keeps so many digits of a number; the others become zeros."""
_FEWEST_ZEROS = 3
"""So many digits of genuine ids are zeros by chance once in a thousand files."""

AS_TEXT = said("give the column the format Text, and fill in the ids again")


def check_shown(text: str) -> None:
    """Refuse what a spreadsheet shows instead of a value. Raises Refused."""
    plain = half_width(text)
    if not plain.startswith("#"):
        return
    if _TOO_NARROW.fullmatch(plain):
        raise Refused(
            said("is what a spreadsheet shows where a column is too narrow"),
            said("widen the column, and save again"),
        )
    if _SHEET_ERROR.fullmatch(plain):
        raise Refused(
            said("is an error of a spreadsheet"),
            said("mend the formula, or write the value, and save again"),
        )


def check_id(text: str) -> None:
    """Refuse an id that a spreadsheet or a program has made something else of. Raises Refused."""
    plain = half_width(text)
    if _POWER_OF_TEN.fullmatch(plain):
        raise Refused(said("is what a spreadsheet makes of a long number"), AS_TEXT)
    if plain.casefold() in _NO_VALUE:
        raise Refused(
            said("is what a program writes where it has no value"), said("write the id itself")
        )


class IdColumn:
    """What all ids of a column together tell about each. Its size does not depend on their number.

    A spreadsheet makes the digits beyond the 15th zeros, and takes the zeros before a number away.
    """

    def __init__(self) -> None:
        self._is_whole = False
        self._cut: set[str] = set()
        self._widths: set[int] = set()

    def see(self, text: str) -> None:
        """Take an id into account."""
        plain = half_width(text)
        if not (plain.isascii() and plain.isdigit()):
            return
        beyond = plain[_KEPT_DIGITS:]
        if beyond.strip("0"):
            self._is_whole = True
        elif beyond and not self._has_many_zeros():
            self._cut.add(plain)
        if plain.startswith("0") and plain.strip("0") and len(self._widths) < 2:
            self._widths.add(len(plain))

    def check(self, text: str) -> None:
        """Refuse an id that has lost digits. Raises Refused."""
        plain = half_width(text)
        if not (plain.isascii() and plain.isdigit()):
            return
        if len(plain) > _KEPT_DIGITS and not self._is_whole and self._has_many_zeros():
            raise Refused(
                said(
                    "has lost its last digits in a spreadsheet, as all long ids here end in zeros"
                ),
                AS_TEXT,
            )
        if len(self._widths) == 1 and len(plain) < min(self._widths):
            raise Refused(
                said(
                    "has lost the zeros before it in a spreadsheet, as others here still have them"
                ),
                AS_TEXT,
            )

    def _has_many_zeros(self) -> bool:
        return sum(len(each) - _KEPT_DIGITS for each in self._cut) >= _FEWEST_ZEROS
