"""What a handler raises: never (`InvalidRecord`), not now (`TryLater`), or stop (`LoopHalted`).
Any other exception ends the process."""


class InvalidRecord(Exception):
    """This record can never be handled; it becomes a dead letter.

    `reason` is a short slug and `field` a JSON pointer or None. `detail` never repeats a value,
    which may be personal. `practice_id` is the practice that owns the letter, None if unknown.
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


class RefusedRecord(InvalidRecord):
    """A record that does not show that the schema or the deploy is wrong, so no limit counts it.

    It could be read, and a rule of the service refuses it for the sake of one practice or client;
    or its type is one that a later version knows.
    """


class TryLater(Exception):
    """No record is at fault; the same batch is tried again after a pause."""


class LoopHalted(Exception):
    """The loop must not go on until a person has looked; the message is the reason (R5, R10)."""


class TopicsDiffer(LoopHalted):
    """Topics exist that are not as they must be; the message names each topic, the setting, what
    was found, what is wanted, and the command that mends it."""


class DatabaseIsOlder(LoopHalted):
    """The service has published events that its database does not know: it was restored to an
    earlier state. Nothing goes on until an operator gives the command `restored`."""


class MigrationBlocked(Exception):
    """A migration could not have a lock; the message names the revision, the table, and the
    sessions that were in the way."""
