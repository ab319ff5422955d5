"""Floor 4: use cases of operators and customers: accounts, keys, credit, credentials."""
