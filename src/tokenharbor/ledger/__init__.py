"""Floor 3: the books."""
