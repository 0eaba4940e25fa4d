"""The settings of ingestion: those of every service, no others."""

from typing import ClassVar

from rapport_runtime.settings import ServiceSettings


class IngestionSettings(ServiceSettings):
    """`simulated_clock` lets an operator set ingestion's time; allowed in development only."""

    service: ClassVar[str] = "ingestion-service"
