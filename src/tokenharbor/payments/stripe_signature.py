"""Signatures of Stripe's webhooks: HMAC-SHA256 of time and body, compared in constant time.

The SDK's own check is not used: it reads the machine's clock, which a test cannot move, and accepts events from the
future.
"""

import hashlib
import hmac
import re
from datetime import datetime
from typing import Final

from tokenharbor.kernel.errors import ForgedEvent

TOLERANCE_SECONDS: Final = 300
"""How old an event may be, or how far ahead of our clock."""

_HEADER = re.compile(r"[\w=,. +/-]{1,2000}", re.ASCII)
_UNIX_TIME = re.compile(r"\d{1,12}", re.ASCII)
_MOST_SIGNATURES = 10


def sign(secret: str, at_unix: int, body: bytes) -> str:
    """Return the signature of scheme `v1`."""
    return hmac.new(secret.encode(), b"%d." % at_unix + body, hashlib.sha256).hexdigest()


def check_signature(secret: str, header: str, body: bytes, now: datetime) -> None:
    """Raise ForgedEvent if no signature is right. While a secret is rotated, the header has one for each secret."""
    if not secret.strip():
        raise ForgedEvent("webhook refused: no webhook secret is configured for this processor")
    fields = [field.partition("=") for field in header.split(",")] if _HEADER.fullmatch(header) else []
    times = [value for name, _, value in fields if name.strip() == "t"]
    signatures = [value for name, _, value in fields if name.strip() == "v1"][:_MOST_SIGNATURES]
    if len(times) != 1 or not _UNIX_TIME.fullmatch(times[0]):
        raise ForgedEvent("webhook refused: no valid signature header")
    right = sign(secret, int(times[0]), body).encode()
    if not any([hmac.compare_digest(right, each.encode()) for each in signatures]):  # noqa: C419  all are compared
        raise ForgedEvent("webhook refused: the signature is wrong")
    if abs(int(now.timestamp()) - int(times[0])) > TOLERANCE_SECONDS:
        raise ForgedEvent(f"webhook refused: signed more than {TOLERANCE_SECONDS} seconds ago, or in the future")
