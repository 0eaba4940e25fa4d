"""Scoring's own settings, beside those of every service."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from rapport_runtime.settings import ServiceSettings


class ScoringSettings(ServiceSettings):
    """`rulebook_path` is a JSON file with a rulebook of the kind `rfm`; None: the built-in one."""

    service: ClassVar[str] = "scoring-service"

    rulebook_path: Path | None = None
    max_streams: int = Field(default=50, ge=0, description="answers kept open by one API process")
