"""What the environment may set for scoring, beside what every service takes."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from rapport_runtime.settings import ServiceSettings


class ScoringSettings(ServiceSettings):
    """`rulebook_path` names a JSON file of the kind `rfm`; None means the built-in one."""

    service: ClassVar[str] = "scoring-service"

    rulebook_path: Path | None = None
    max_streams: int = Field(default=50, ge=0, description="answers kept open by one API process")
