"""Floor 6: settings, composition, the command line."""
