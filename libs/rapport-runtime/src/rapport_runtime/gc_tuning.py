"""How a process deals with garbage: seldom, for batches and answers make little that is cyclic."""

import gc

YOUNG_OBJECTS = 100_000
"""More than a batch holds at once; at Python's 700 a quarter of a worker's time went there."""


def tune_gc() -> None:
    """Look for cycles once so many more objects were made than freed, and never among what the
    start-up left behind. What is in no cycle is freed at once, as always."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
