"""Secrets of a service that everybody knows: for what a test seals, and for commands."""

import base64
from dataclasses import dataclass
from typing import Any

from rapport_runtime.sealing import Keyring

KNOWN_KEY = base64.b64encode(b"known-to-everybody" + bytes(14)).decode()
RECORD_KEYS = Keyring({"k1": KNOWN_KEY}, active="k1")
RECORD_SETTINGS: dict[str, Any] = {"record_keys": {"k1": KNOWN_KEY}, "record_active_key": "k1"}
"""The settings of a service that seals with `RECORD_KEYS`."""


@dataclass(frozen=True)
class KnownSecrets:
    """The `Secrets` of an operator's command."""

    cursor_key: bytes = b"k" * 32
    record_keyring: Keyring = RECORD_KEYS
    simulated_clock: bool = False
