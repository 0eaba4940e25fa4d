"""Files of contacts and consents into outreach, through the public APIs alone (ADR 58)."""
