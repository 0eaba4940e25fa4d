"""Tests of what the proof stands on: a generator or an oracle that errs proves nothing."""
