"""The built-in demo provider's script: canned answers that say what they are and repeat nothing of the request."""

from tokenharbor.simulator.script import CannedAnswer, Script

DEMO_TEXT = (
    "Ahoy from Token Harbor's built-in demo provider. I am not a language model: this is a canned answer, the same "
    "for every question, so that your first request works without any vendor key. It took the whole way all the "
    "same: your key was checked, a hold was placed on your wallet, this text was sent, and the charge is on a "
    "receipt. Put a vendor's key into the environment and start again to talk to a real model."
)
"""What the demo says."""


def demo_script(models: tuple[str, ...]) -> Script:
    """The script for these model names; the pace is that of a brisk model."""
    return Script(models=models, keep_records=0, answer=CannedAnswer(text=DEMO_TEXT, chunk_chars=12, delay_ms=8))
