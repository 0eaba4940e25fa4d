"""One fault, one promise: what must hold when a broker, a database, a disk or a clock fails."""
