"""Floor 4: people and their access: sign-up, sign-in, second factors, members and their roles."""
