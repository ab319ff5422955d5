"""Floor 5: a provider that speaks every wire and fails on script."""
