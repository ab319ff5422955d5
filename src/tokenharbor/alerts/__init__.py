"""Floor 4: alerts to customers about their accounts, and their delivery by mail and webhook."""
