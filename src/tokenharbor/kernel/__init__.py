"""Floor 1: what every room speaks: money, usage, clock, ids, errors, the world."""
