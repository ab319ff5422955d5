"""Bytes of messages: streams cut into events, forms and JSON read and edited where they stand, streams passed on."""
