"""The development kit, without servers."""
