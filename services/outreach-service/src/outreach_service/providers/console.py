"""The provider while sending is switched off: it writes a log line and sends nothing."""

from outreach_service.domain.messages import Outcome, Outgoing, Rejected
from rapport_runtime.logs import get_logger

SENDING_IS_OFF = "sending-off"
"""The code of a message that no provider got, because sending is off."""

log = get_logger(__name__)


class ConsoleProvider:
    """The default outside development: nothing leaves the house unless sending is asked for.

    The outcome is a final rejection, since nothing was sent; switching sending on later does not
    release a flood of old messages.
    """

    async def send(self, message: Outgoing) -> Outcome:
        """Log the message's id, channel and purpose, never its text or recipient, and reject it."""
        log.info(
            "message_withheld",
            message_id=message.message_id,
            channel=str(message.channel),
            purpose=str(message.purpose),
        )
        return Rejected(SENDING_IS_OFF, final=True)
