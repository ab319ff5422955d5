"""One folder for each dialect: its requests, answers, streams, usage and failures."""
