"""The REST API: routers, and the models of its JSON."""
