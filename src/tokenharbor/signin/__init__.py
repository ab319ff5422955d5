"""Floor 4: users and their access: sign-up, sign-in, second factors, members and roles."""
