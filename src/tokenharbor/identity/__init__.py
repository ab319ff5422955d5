"""Floor 3: accounts, users, members and their API keys."""
