"""Token Harbor: an AI gateway and a prepaid wallet in one program."""

__version__ = "0.1.0"
