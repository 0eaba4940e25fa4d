"""What the environment may set for scoring, beside what every service takes."""

from pathlib import Path
from typing import ClassVar

from rapport_runtime.settings import ServiceSettings


class ScoringSettings(ServiceSettings):
    """`rulebook_path` names a JSON file of the kind `rfm`; None means the built-in one."""

    service: ClassVar[str] = "scoring-service"

    rulebook_path: Path | None = None
