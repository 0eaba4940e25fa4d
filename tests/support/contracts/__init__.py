"""The documents that strangers build on: written from the code, kept at a release, compared."""
