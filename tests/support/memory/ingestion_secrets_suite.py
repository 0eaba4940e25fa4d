"""The secrets of declared sources: kept for their source and purpose, until they are taken back."""

from ingestion_service.domain.sources import SourceKey
from ingestion_service.ports.secrets import Token, Webhook
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE, StoreWorld

DESK, TILL = SourceKey(LAKESIDE.practice_id, "desk"), SourceKey(LAKESIDE.practice_id, "till")
STRIPE, CALCOM = Webhook("stripe", b'{"secrets": ["first"]}'), Webhook("calcom", b"{}")


class SecretSuite:
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    def test_a_webhook_is_kept_for_its_source_until_it_ends(self, world: StoreWorld) -> None:
        with world.stores.open(LAKESIDE.practice_id) as store:
            assert store.secrets.webhook(DESK) is None
            store.secrets.save_webhook(DESK, STRIPE, Token("0" * 16, b"hash"))
        with world.stores.open(LAKESIDE.practice_id) as store:
            assert store.secrets.webhook(DESK) == STRIPE
            assert store.secrets.webhook(TILL) is None
            store.secrets.save_webhook(DESK, CALCOM, None)
            store.secrets.save_webhook(TILL, CALCOM, None)
        with world.stores.open(LAKESIDE.practice_id) as store:
            assert store.secrets.webhook(DESK) == CALCOM
            assert store.secrets.webhook(TILL) is None
            assert store.secrets.end_webhook(DESK)
            assert not store.secrets.end_webhook(DESK)
            assert store.secrets.webhook(DESK) is None

    def test_who_signs_is_kept_until_they_do_not(self, world: StoreWorld) -> None:
        with world.stores.open(LAKESIDE.practice_id) as store:
            assert store.secrets.signing({DESK, TILL}) == {}
            store.secrets.save_signing(DESK, ["first secret"])
            store.secrets.save_webhook(DESK, STRIPE, Token("0" * 16, b"hash"))
        with world.worker() as store:
            keys = {DESK, TILL, SourceKey(HARBOUR.practice_id, "desk")}
            assert store.secrets.signing(keys) == {DESK: ["first secret"]}
        with world.stores.open(LAKESIDE.practice_id) as store:
            store.secrets.save_signing(DESK, ["second secret", "first secret"])
            assert store.secrets.signing([DESK]) == {DESK: ["second secret", "first secret"]}
            store.secrets.save_signing(DESK, [])
            assert store.secrets.signing([DESK]) == {}
            assert store.secrets.webhook(DESK) == STRIPE
