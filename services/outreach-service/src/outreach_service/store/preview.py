"""A message's text as it would be rendered now, for people who ask what a client gets to read."""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from outreach_service.domain.message_views import Preview
from outreach_service.domain.playbook import Route, Step
from outreach_service.domain.templates import Catalogue
from outreach_service.domain.terms import Channel, Purpose, permitted
from outreach_service.handlers import play_of
from outreach_service.rendering import Renderer, RenderingFailed
from outreach_service.sealing import CannotUnseal, Keyring
from outreach_service.store.preferences import name_place

NO_CONTACT: Final = "no contact"

_POINTS: Final = sa.text("""
    SELECT c.channel, c.sealed_name, c.language, coalesce((
        SELECT granted FROM consent
        WHERE practice_id = c.practice_id AND client_id = c.client_id AND channel = c.channel
          AND purpose = :purpose
        ORDER BY id DESC LIMIT 1), false) AS consented
    FROM contact c WHERE c.practice_id = :practice_id AND c.client_id = :client_id
""")
_PRACTICE: Final = sa.text("SELECT name FROM practice WHERE practice_id = :practice_id")


class _Point(NamedTuple):
    """A contact point by which the text could go; the name is sealed."""

    sealed_name: str
    language: str
    consented: bool


class Previews:
    """Renders messages with their clients' names; a preview's unsubscribe link does not work."""

    def __init__(
        self,
        keyring: Keyring,
        catalogue: Catalogue,
        public_url: str,
        closed: Collection[Channel] = (),
    ) -> None:
        """`closed`: channels by which the gates send nothing, for want of an account."""
        self._closed = closed
        self._keyring = keyring
        self._catalogue = catalogue
        self._renderer = Renderer()
        self._no_link = f"{public_url.rstrip('/')}/v1/unsubscribe/…"

    def of(self, tx: sa.Connection, practice_id: str, row: sa.Row[Any]) -> Preview:
        """The text on the channel that was taken, else on the first that the client can be
        reached by; those with consent come first."""
        asked = {"practice_id": practice_id, "client_id": row.client_id, "purpose": row.purpose}
        points = {
            Channel(found.channel): _Point(found.sealed_name, found.language, found.consented)
            for found in tx.execute(_POINTS, asked)
            if row.template is not None or found.channel not in self._closed
        }
        route = _route(row, points)
        if route is None:
            return Preview(missing=NO_CONTACT)
        practice = tx.execute(_PRACTICE, {"practice_id": practice_id}).scalar()
        if practice is None:
            return Preview(channel=route.channel, missing="the practice's name is not known yet")
        return self._rendered(practice_id, practice, row.client_id, route, points[route.channel])

    def _rendered(
        self, practice_id: str, practice: str, client_id: str, route: Route, point: _Point
    ) -> Preview:
        template = self._catalogue.find(route.template, route.channel, point.language)
        if template is None:
            return Preview(channel=route.channel, missing=f"no template {route.template!r}")
        try:
            place = name_place(practice_id, client_id, route.channel)
            name = self._keyring.unseal(point.sealed_name, place)
            values = {"name": name, "practice": practice, "unsubscribe_url": self._no_link}
            text = self._renderer.render(template, values)
        except CannotUnseal:
            return Preview(channel=route.channel, missing="the contact's key is gone")
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


def _route(row: sa.Row[Any], points: Mapping[Channel, _Point]) -> Route | None:
    if row.channel is not None and row.template is not None:
        taken = Route(channel=Channel(row.channel), template=row.template)
        return taken if taken.channel in points else None
    open_routes = _open(play_of(row.play_body).plays[0].steps[row.step], row.purpose, points)
    return min(open_routes, key=lambda route: not points[route.channel].consented, default=None)


def _open(step: Step, purpose: str, points: Mapping[Channel, _Point]) -> list[Route]:
    return [
        route
        for route in step.routes
        if route.channel in points and permitted(route.channel, Purpose(purpose))
    ]
