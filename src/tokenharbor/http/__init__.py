"""Floor 2: the HTTP/1.1 server and client."""
