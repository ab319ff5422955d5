"""Floor 2: policy as data."""
