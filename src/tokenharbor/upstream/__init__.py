"""Floor 3: requests to providers."""
