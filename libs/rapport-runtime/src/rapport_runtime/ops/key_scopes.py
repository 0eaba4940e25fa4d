"""Whether a key that is about to be made could ever be of use: its scopes exist, and are for such
holders."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Protocol


class KnownScope(Protocol):
    """A scope as the contracts list it; `holder` is practice, operator or anyone."""

    @property
    def name(self) -> str: ...
    @property
    def holder(self) -> str: ...
    @property
    def permits(self) -> str: ...


def check_scopes(
    scopes: Iterable[str], practice_id: str | None, known: Collection[KnownScope]
) -> None:
    """Raise ValueError, naming the scope, for one that is not known or is for other holders."""
    holders = {scope.name: scope.holder for scope in known}
    holder = "operator" if practice_id is None else "practice"
    for scope in scopes:
        if scope not in holders:
            near = get_close_matches(scope, holders, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"there is no scope {scope}{hint}")
        if holders[scope] not in {holder, "anyone"}:
            owner = f"{holders[scope]}s'"
            raise ValueError(f"{scope} is for {owner} keys alone")
