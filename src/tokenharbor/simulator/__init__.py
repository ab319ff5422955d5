"""Floor 5: a simulated provider that speaks every wire and fails by script."""
