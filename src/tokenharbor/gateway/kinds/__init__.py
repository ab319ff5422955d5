"""Kinds of requests: what a request is read from, asked for and answered with; `serve.py` has what all share."""
