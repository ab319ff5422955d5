"""Floor 2: HTTP/1.1, server and client."""
