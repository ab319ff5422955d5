"""Kinds of requests: how each is read, asked for and answered; `serve.py` has the steps that all share."""
