"""Floor 3: which endpoints, in which order, and why not the others."""
