"""The neutral conversation: the meaning of requests and answers in any dialect, and the protocols of every dialect."""
