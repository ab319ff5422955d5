"""Floor 1: the types that every room uses: money, usage, clock, ids, errors, the world."""
