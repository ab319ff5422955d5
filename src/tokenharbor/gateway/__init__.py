"""Floor 5: the data plane."""
