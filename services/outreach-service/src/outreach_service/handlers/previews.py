"""A message's text as it would be rendered now."""

from collections.abc import Callable, Collection, Mapping

from outreach_service.domain.message_views import Preview
from outreach_service.domain.playbook import Play, Route
from outreach_service.domain.templates import Catalogue, Template
from outreach_service.domain.terms import Channel, Purpose, permitted
from outreach_service.ports import Rendered, RenderingFailed, UnreadableContact
from outreach_service.ports.contacts import ContactPoint
from outreach_service.ports.records import ContactKey, StoredMessage
from outreach_service.ports.store import ContactCipher, Store

NO_CONTACT = "no contact"
NO_PRACTICE = "the practice's name is not known yet"
NO_KEY = "the contact's key is gone"
NO_PLAY = "the play is no longer kept"


Render = Callable[[Template, Mapping[str, str]], Rendered]
"""Fills a template with values. Raises RenderingFailed."""


class Previews:
    """Renders messages with their clients' names; a preview's unsubscribe link does not work."""

    def __init__(
        self,
        cipher: ContactCipher,
        catalogue: Catalogue,
        render: Render,
        public_url: str,
        closed: Collection[Channel] = (),
        without_way_out: Collection[tuple[Channel, Purpose]] = (),
    ) -> None:
        """`closed`: channels by which the gates send nothing, for want of an account;
        `without_way_out` is as in the gates' rules."""
        self._cipher = cipher
        self._catalogue = catalogue
        self._render = render
        self._no_link = f"{public_url.rstrip('/')}/v1/unsubscribe/…"
        self._closed = closed
        self._without_way_out = without_way_out

    def preview(self, store: Store, message: StoredMessage) -> Preview:
        """The text on the channel that was taken, else on the first by which the client can be
        reached; those with consent come first. Without a text it says why."""
        row = message.row
        if message.play is None:
            return Preview(channel=row.channel, missing=NO_PLAY)
        points = store.messages.contact_points(message.practice_id, row.client_id, row.purpose)
        if message.template is None:
            points = {
                each: point
                for each, point in points.items()
                if each not in self._closed
                if (each, Purpose(row.purpose)) not in self._without_way_out
            }
        route = _route(message, message.play, points)
        if route is None:
            return Preview(missing=NO_CONTACT)
        practice = store.messages.practice_name(message.practice_id)
        if practice is None:
            return Preview(channel=route.channel, missing=NO_PRACTICE)
        key = ContactKey(message.practice_id, row.client_id, route.channel)
        return self._rendered(key, practice, route, points[route.channel])

    def _rendered(
        self, key: ContactKey, practice: str, route: Route, point: ContactPoint
    ) -> Preview:
        template = self._catalogue.find(route.template, route.channel, point.language)
        if template is None:
            return Preview(channel=route.channel, missing=f"no template {route.template!r}")
        try:
            name = self._cipher.name(key, point.sealed_name)
            values = {"name": name, "practice": practice, "unsubscribe_url": self._no_link}
            text = self._render(template, values)
        except UnreadableContact:
            return Preview(channel=route.channel, missing=NO_KEY)
        except RenderingFailed as failed:
            return Preview(channel=route.channel, missing=f"{failed.field} {failed.problem}")
        return Preview(
            channel=route.channel,
            template=template.key,
            template_version=template.version,
            language=template.language,
            subject=text.subject,
            body=text.body,
            params=text.params,
        )


def _route(
    message: StoredMessage, play: Play, points: Mapping[Channel, ContactPoint]
) -> Route | None:
    row = message.row
    if row.channel is not None and message.template is not None:
        taken = Route(channel=Channel(row.channel), template=message.template)
        return taken if taken.channel in points else None
    reachable = [
        route
        for route in play.steps[row.step].routes
        if route.channel in points and permitted(route.channel, Purpose(row.purpose))
    ]
    return min(reachable, key=lambda route: not points[route.channel].consented, default=None)
