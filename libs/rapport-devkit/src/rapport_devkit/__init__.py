"""Development only: servers, provider sandbox, replay, demo and failpoints."""
