"""What operators see and do: keys, pauses, the audit, gauges and the status."""
