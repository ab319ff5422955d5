"""Floor 2: outgoing mail, by SMTP."""
