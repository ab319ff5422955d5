"""Floor 6: settings, composition and the command line."""
