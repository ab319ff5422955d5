"""Floor 2: mail that leaves, by SMTP."""
