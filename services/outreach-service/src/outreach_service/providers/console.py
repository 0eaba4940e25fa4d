"""Where messages end while sending is switched off: a log line that one would have gone."""

import logging

from outreach_service.domain.messages import Outcome, Outgoing, Rejected

SENDING_IS_OFF = "sending-off"
"""The code of a message that nobody was asked to send."""

_log = logging.getLogger("outreach.console")


class ConsoleProvider:
    """The default outside development: nothing leaves the house unless sending is asked for.

    The outcome is a final rejection, since nothing was sent; switching sending on later does not
    release a flood of old messages.
    """

    async def send(self, message: Outgoing) -> Outcome:
        """Note the message's id, channel and purpose; never its text or recipient."""
        _log.info(
            "message withheld: sending is off",
            extra={
                "action": "message_withheld",
                "message_id": message.message_id,
                "channel": str(message.channel),
                "purpose": str(message.purpose),
            },
        )
        return Rejected(SENDING_IS_OFF, final=True)
