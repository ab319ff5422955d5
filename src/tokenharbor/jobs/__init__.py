"""Floor 5: background work, beside the requests."""
