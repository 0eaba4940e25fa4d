"""The two words that decide a record's fate: never, or not now. Anything else stops the process."""


class InvalidRecord(Exception):
    """This record can never be handled; it becomes a dead letter.

    `reason` is a short slug, `field` a JSON pointer or None, `detail` never repeats a value, for
    it may be personal. `practice_id` says whose letter it is, None when that cannot be told.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        field: str | None = None,
        practice_id: str | None = None,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.field = field
        self.practice_id = practice_id


class TryLater(Exception):
    """Nothing is to blame on a record; the same batch is to be tried again after a pause."""


class LoopHalted(Exception):
    """The loop must not go on; the message says why, a person has to look (RELIABILITY R5, R10)."""
