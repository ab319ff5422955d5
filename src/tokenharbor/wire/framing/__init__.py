"""Message framing: streams split into events, JSON and forms read and edited in place, streams passed on."""
