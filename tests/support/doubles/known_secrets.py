"""Secrets of a service that everybody knows: for what a test seals, and for commands."""

import base64
from dataclasses import dataclass

from rapport_runtime.sealing import Keyring

KNOWN_KEY = base64.b64encode(b"known-to-everybody" + bytes(14)).decode()
RECORD_KEYS = Keyring({"k1": KNOWN_KEY}, active="k1")


@dataclass(frozen=True)
class KnownSecrets:
    """The `Secrets` of an operator's command."""

    cursor_key: bytes = b"k" * 32
    record_keyring: Keyring = RECORD_KEYS
