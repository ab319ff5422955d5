"""Floor 3: caches of answers: their keys, encryption, memory and expiry, and the recognition of similar questions."""
