"""What `make proof ONLY=sources` measures: a new claim's `measure` is entered here alone."""

from collections.abc import Sequence

from tools.claim import Part
from tools.proof.claims import (
    sources_benches,
    sources_declared,
    sources_events,
    sources_files,
    sources_generations,
    sources_public,
    sources_rebuilds,
    sources_restored,
    sources_signals,
    sources_silence,
    sources_webhooks,
)

MEASURES: Sequence[Part] = (
    sources_declared.measure,
    sources_webhooks.measure,
    sources_events.measure,
    sources_files.measure,
    sources_public.measure,
    sources_signals.measure,
    sources_silence.measure,
    sources_rebuilds.measure,
    sources_generations.measure,
    sources_restored.measure,
    sources_benches.measure,
)
