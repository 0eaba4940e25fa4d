"""Tests, kind first."""
