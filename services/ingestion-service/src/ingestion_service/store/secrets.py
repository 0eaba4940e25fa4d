"""The secrets of declared sources on Postgres, sealed for their source and purpose."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from ingestion_service.domain.sources import SourceKey
from ingestion_service.ports import Sealer
from ingestion_service.ports.secrets import Token, Webhook
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import Database, execute, fetch, fetch_one
from rapport_runtime.http.api_keys import KeyParts, Principal, parse_key, same_hash
from rapport_runtime.sealing import place_of

_WEBHOOK: Final = "webhook"
_SIGNING: Final = "signing"
_NO_HASH: Final = bytes(32)
_OF_NO_WEBHOOK: Final = dict.fromkeys(("adapter", "token_id", "token_hash"))

_ONE: Final = """
    SELECT adapter, sealed FROM source_secret
    WHERE practice_id = %(practice_id)s AND source = %(source)s AND purpose = %(purpose)s
"""
_MANY: Final = """
    SELECT found.* FROM unnest(%(practice_id)b::text[], %(source)b::text[])
        AS wanted(practice_id, source),
    LATERAL (
        SELECT practice_id, source, sealed FROM source_secret
        WHERE source_secret.practice_id = wanted.practice_id
          AND source_secret.source = wanted.source AND purpose = 'signing'
        OFFSET 0
    ) found
"""
_SAVE: Final = """
    INSERT INTO source_secret (practice_id, source, purpose, adapter, sealed, token_id, token_hash)
    VALUES (%(practice_id)s, %(source)s, %(purpose)s, %(adapter)s, %(sealed)s, %(token_id)s,
        %(token_hash)s)
    ON CONFLICT (practice_id, source, purpose) DO UPDATE SET
        adapter = excluded.adapter, sealed = excluded.sealed, changed_at = now(),
        token_id = excluded.token_id, token_hash = excluded.token_hash
"""
_CHANGE: Final = """
    UPDATE source_secret SET adapter = %(adapter)s, sealed = %(sealed)s, changed_at = now()
    WHERE practice_id = %(practice_id)s AND source = %(source)s AND purpose = %(purpose)s
"""
_END: Final = """
    DELETE FROM source_secret
    WHERE practice_id = %(practice_id)s AND source = %(source)s AND purpose = %(purpose)s
"""
_TOKENS: Final = """
    SELECT practice_id, source, token_id, token_hash FROM source_secret
    WHERE token_id = ANY(%(ids)s)
"""


class PostgresSecrets:
    """`ports.secrets.SecretStore` within one transaction."""

    def __init__(self, tx: sa.Connection, sealer: Sealer) -> None:
        self._tx = tx
        self._sealer = sealer

    def webhook(self, key: SourceKey) -> Webhook | None:
        row = fetch_one(self._tx, _ONE, {**key._asdict(), "purpose": _WEBHOOK})
        return (
            None if row is None else Webhook(row.adapter, self._opened(key, _WEBHOOK, row.sealed))
        )

    def save_webhook(self, key: SourceKey, webhook: Webhook, token: Token | None) -> None:
        row = {**self._row(key, _WEBHOOK, webhook.settings), "adapter": webhook.adapter}
        if token is None:
            execute(self._tx, _CHANGE, row)
        else:
            execute(self._tx, _SAVE, {**row, **token._asdict()})

    def end_webhook(self, key: SourceKey) -> bool:
        return self._end(key, _WEBHOOK)

    def signing(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Sequence[str]]:
        rows = fetch(self._tx, _MANY, arrays(SourceKey._fields, keys), prepare=False)
        found = {SourceKey(row.practice_id, row.source): row.sealed for row in rows}
        return {key: json.loads(self._opened(key, _SIGNING, raw)) for key, raw in found.items()}

    def save_signing(self, key: SourceKey, secrets: Sequence[str]) -> None:
        if not secrets:
            self._end(key, _SIGNING)
            return
        row = self._row(key, _SIGNING, json.dumps(list(secrets)).encode())
        execute(self._tx, _SAVE, {**row, **_OF_NO_WEBHOOK})

    def _row(self, key: SourceKey, purpose: str, plain: bytes) -> dict[str, Any]:
        sealed = self._sealer.seal(plain, _place(key, purpose))
        return {**key._asdict(), "purpose": purpose, "sealed": sealed}

    def _end(self, key: SourceKey, purpose: str) -> bool:
        return execute(self._tx, _END, {**key._asdict(), "purpose": purpose}) == 1

    def _opened(self, key: SourceKey, purpose: str, sealed: bytes) -> bytes:
        return self._sealer.unseal(bytes(sealed), _place(key, purpose))


class WebhookTokens:
    """Finds whose webhook an address is, as a `KeyVerifier`: the holder's label is the source."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def verify(self, raw_key: str) -> Principal | None:
        """The holder of a token, or None."""
        return self.verify_many([raw_key]).get(raw_key)

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        """The holders of those that hold, by token, with one question to the database."""
        asked = {raw: parts for raw in raw_keys if (parts := parse_token(raw)) is not None}
        if not asked:
            return {}
        ids = list({parts.id for parts in asked.values()})
        with self._database.transaction(operator=True) as tx:
            rows = {row.token_id: row for row in fetch(tx, _TOKENS, {"ids": ids})}
        held = {}
        for raw, parts in asked.items():
            row = rows.get(parts.id)
            stored = _NO_HASH if row is None else row.token_hash
            if same_hash(stored, parts.secret_hash) and row is not None:
                held[raw] = Principal(parts.id, row.practice_id, frozenset(), row.source)
        return held


def parse_token(raw: str) -> KeyParts | None:
    """A token taken apart: it is written as an API key is, without the mark of one."""
    return parse_key(f"rk_{raw}")


def _place(key: SourceKey, purpose: str) -> bytes:
    return place_of("source secret", key.practice_id, key.source, purpose)
