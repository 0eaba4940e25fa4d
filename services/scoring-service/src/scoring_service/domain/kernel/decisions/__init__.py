"""The kinds of decisions: a file for each, and an entry here."""

from collections.abc import Mapping
from typing import Final

from scoring_service.domain.kernel.decisions import cells, points, rules
from scoring_service.domain.kernel.decisions.decision import Decide

KINDS: Final[Mapping[str, Decide]] = {
    "cells": cells.decide,
    "points": points.decide,
    "rules": rules.decide,
}
