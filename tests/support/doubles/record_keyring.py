"""A key for records at rest that everybody knows."""

import base64

from rapport_runtime.sealing import Keyring

KEYRING = Keyring({"test": base64.b64encode(bytes(range(32))).decode()}, active="test")
