"""The REST face of the service: routers and wire schemas."""
