"""The settings of ingestion: those of every service, and the key of personal identities."""

import hashlib
from typing import ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from rapport_runtime.sealing import InvalidKeys, key_from
from rapport_runtime.settings import ServiceSettings


class IngestionSettings(ServiceSettings):
    """`simulated_clock` lets an operator set ingestion's time; allowed in development only."""

    service: ClassVar[str] = "ingestion-service"

    identity_key: SecretStr | None = Field(
        default=None,
        description="base64 of 32 bytes: it hashes e-mail addresses and phone numbers of sources"
        " that know their clients by them. It can never be changed",
    )

    @model_validator(mode="after")
    def _identity_key_is_whole(self) -> Self:
        try:
            _ = self.identity_bytes
        except InvalidKeys as problem:
            raise ValueError(str(problem)) from None
        return self

    @property
    def identity_bytes(self) -> bytes | None:
        """The key of personal identities. Development has one that everybody knows; None in
        production where none is set: no source can be declared personal then."""
        if self.identity_key is not None:
            return key_from("identity", self.identity_key.get_secret_value())
        if self.environment == "production":
            return None
        return hashlib.sha256(b"rapport development identities").digest()
