"""Scoring's API with clients in several tiers, their histories, and letters put aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

from rapport_contracts import topics
from rapport_runtime.http.streams import Streams
from scoring_service.bootstrap import build_api, rulebook_source
from scoring_service.ports import GROUP
from scoring_service.settings import ScoringSettings
from tests.support.access_matrix.world import (
    PRACTICE,
    ApiWorld,
    common_settings,
    every_key,
    put_letters_aside,
    read_keys,
    running,
    service_database,
)
from tests.support.worlds.scoring import Log, ScoringWorld

CLIENTS = [f"{number:032x}" for number in range(1, 9)]
BEGAN, NOW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, 12, tzinfo=UTC)


@contextmanager
def scoring(postgres_url: str) -> Iterator[ApiWorld]:
    """The world, gone afterwards."""
    with service_database(postgres_url, "scoring") as urls:
        settings = ScoringSettings(**common_settings(urls))
        worker = ScoringWorld(_log(), urls, rulebook_source(settings), records=1000)
        worker.read_all()
        letters = put_letters_aside(worker.database, GROUP, topics.CLIENT_ACTIVITY.name)
        tiers = [row.tier for row in worker.rows("SELECT DISTINCT tier FROM client")]
        worker.close()
        read_keys(urls, GROUP)
        known = {
            "path.client_id": CLIENTS,
            "path.tier": tiers,
            "path.letter_id": letters,
            "body.client_ids[*]": CLIENTS,
        }
        with running(build_api(settings)) as app:
            app.state.streams = Streams(longest_seconds=0.2)  # else they stay open for minutes
            yield ApiWorld("scoring", app, urls, known, every_key(app, urls))


def _log() -> Log:
    """Each client has had one hour more than the one before."""
    log = Log()
    log.watermark(BEGAN)
    for number, client in enumerate(CLIENTS):
        for hour in range(number):
            at = datetime(2024, 2, 1 + hour, 9, tzinfo=UTC)
            log.activity(client, "completed", at.date(), at, practice=PRACTICE)
            log.activity(
                client,
                "settled",
                date(2024, 2, 1 + hour),
                at,
                practice=PRACTICE,
                amount_minor=20_000,
                currency="GBP",
            )
    log.watermark(NOW)
    return log
