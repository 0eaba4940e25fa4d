"""Sources of events to replay: the committed sample, or a CSV file."""
