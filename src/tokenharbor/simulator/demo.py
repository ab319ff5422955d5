"""The built-in demo provider's script: a canned answer that says so, and repeats nothing of the request."""

from tokenharbor.simulator.script import CannedAnswer, Script

DEMO_TEXT = (
    "Ahoy from Token Harbor's built-in demo provider. I am not a language model: this is a canned answer, the same "
    "for every question, so that your first request works without any provider credential. Everything else is real: "
    "your key was checked, a hold was placed on your wallet, this text was sent, and the charge is on a "
    "receipt. To use real models, set a provider's credential and restart."
)
"""The text of the demo's answer."""


def demo_script(models: tuple[str, ...]) -> Script:
    """Return the script for these model names, at a brisk model's pace."""
    return Script(models=models, keep_records=0, answer=CannedAnswer(text=DEMO_TEXT, chunk_chars=12, delay_ms=8))
