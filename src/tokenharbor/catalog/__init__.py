"""Floor 2: models, providers, endpoints and their prices."""
