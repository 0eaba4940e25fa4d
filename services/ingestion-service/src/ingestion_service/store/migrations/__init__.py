"""The schema's history, one file a step, run by `rapport_runtime.migrations`."""
