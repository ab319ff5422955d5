"""Floor 3: answers that are given again: what is kept, under which key, sealed, for how long."""
