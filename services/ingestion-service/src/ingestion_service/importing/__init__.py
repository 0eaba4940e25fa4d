"""Files into the ledger (ADR 51): the command, what it understands, and how it is taken."""
