"""Floor 3: chooses endpoints and their order, and says why others are dropped."""
