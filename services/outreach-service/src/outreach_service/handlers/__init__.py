"""The use cases: planning, sending, outcomes, steering by hand, preferences, playbooks."""
