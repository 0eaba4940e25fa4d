"""Where events to replay come from: the committed sample, or the reader's own file."""
