"""From the bus to a handler and back: the batch loop, its positions, the outbox and the relay."""
