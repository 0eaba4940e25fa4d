"""Why a request is refused, in the domain's words: a reason, a sentence, and the field if one."""


class Refused(Exception):
    """The base of every refusal: `reason` is a slug, `field` a JSON pointer or None."""

    def __init__(self, reason: str, detail: str, field: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.field = field


class Invalid(Refused):
    """It could not be right at any time."""


class Conflict(Refused):
    """It contradicts what is already known."""


class Unknown(Refused):
    """It speaks of something that does not exist."""


class NotYet(Refused):
    """It may be right later: there is no business time yet."""
