"""Floor 4: what operators and customers do with accounts, keys, credit and credentials."""
