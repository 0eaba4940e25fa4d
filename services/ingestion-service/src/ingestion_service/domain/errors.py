"""Why the domain refuses a request: a reason, a sentence and, if there is one, the field."""


class Refused(Exception):
    """The base of every refusal: `reason` is a slug, `field` a JSON pointer or None."""

    def __init__(self, reason: str, detail: str, field: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.field = field


class Conflict(Refused):
    """The request contradicts what is stored."""


class Unknown(Refused):
    """The request names something that does not exist."""


class Unreadable(Refused):
    """A value cannot be what its field says; it is not repeated."""


class NotYet(Refused):
    """The request may succeed later: the simulated clock has not been set yet."""
