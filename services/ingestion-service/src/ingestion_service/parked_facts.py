"""Accepts what was parked, once its booking or payment is known."""

from typing import Final

from ingestion_service.handlers import accept_met
from ingestion_service.ports import Stores
from rapport_runtime.logs import get_logger
from rapport_runtime.sealing import CannotUnseal

AT_ONCE: Final = 500
"""How many are accepted in one transaction, between two batches."""

log = get_logger(__name__)


class ParkedFacts:
    """Those of which an event has said by now whose booking or payment it is. Any worker may accept
    any of them, each under its lock."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._are_sealed_off = False

    def run(self) -> int:
        """Accept some; how many were looked at. Where no key opens one they wait, and the batches
        go on. Raises `NotYet`, `TryLater` and what the database raises."""
        try:
            with self._stores.transaction() as tx:
                return accept_met(self._stores.within(tx), AT_ONCE)
        except CannotUnseal as error:
            self._note(error)
            return 0

    def _note(self, error: CannotUnseal) -> None:
        if not self._are_sealed_off:
            self._are_sealed_off = True
            log.error("parked_facts_cannot_be_opened", error=str(error))
