"""The generations that are folded beside those of a batch's clients (ADR 48)."""

from collections.abc import Collection, Mapping

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.facts import Numbered, Opening
from scoring_service.domain.next_generation import NextGeneration, begin
from scoring_service.ports import ClientKey, Clients


class NextGenerations:
    """Those of a batch's clients. They are read once one is asked for: while nobody is rebuilt,
    nothing is."""

    def __init__(self, clients: Clients, keys: Collection[ClientKey]) -> None:
        self._clients = clients
        self._keys = keys
        self._stored: Mapping[ClientKey, NextGeneration] | None = None
        self._changed: dict[ClientKey, NextGeneration | None] = {}

    def follow(
        self, key: ClientKey, state: ClientState, record: Numbered | Opening
    ) -> NextGeneration | None:
        """The generation of a record, beside that of `state`: the latest one is followed. None for
        a record of one before it."""
        beside = self._find(key)
        latest = state.generation if beside is None else beside.generation
        if record.generation < latest or record.generation == state.generation:
            return None
        if beside is None or record.generation > latest:
            beside = begin(state, record.generation)
        self._changed[key] = beside
        return beside

    def end(self, key: ClientKey) -> None:
        """Forget a client's, which has taken over."""
        self._changed[key] = None

    def save(self) -> None:
        """Write what has changed."""
        if self._changed:
            self._clients.save_next(self._changed)

    def _find(self, key: ClientKey) -> NextGeneration | None:
        if self._stored is None:
            self._stored = self._clients.load_next(self._keys)
        return self._changed.get(key, self._stored.get(key))
