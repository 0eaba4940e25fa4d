"""Tests of what is in `tools/`, and that the Makefile finds it there."""
