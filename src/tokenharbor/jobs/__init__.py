"""Floor 5: background work."""
