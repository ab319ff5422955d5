"""Floor 3: which stage of work a conversation is at, from its shape alone; pure."""
