"""What the environment may set for ingestion: nothing beyond what every service takes."""

from typing import ClassVar

from rapport_runtime.settings import ServiceSettings


class IngestionSettings(ServiceSettings):
    """`simulated_clock` lets an operator move ingestion's time, in development only."""

    service: ClassVar[str] = "ingestion-service"
