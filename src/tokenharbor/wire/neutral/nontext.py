"""Answer content beside text, as the least equivalent bytes of text, for answers that the gateway counts itself."""

IMAGE_SIZE = 4 * 272
"""An image: 272 tokens, the fewest of any size and quality
(developers.openai.com/api/docs/guides/image-generation, "Cost and latency")."""

_FREE = 800
_AUDIO_BYTES_PER_BYTE = 600


def encrypted_size(length: int, shown: int = 0) -> int:
    """Return the text bytes of encrypted reasoning: base64 of `length`, of which `shown` bytes also came readable. Uses
    the lowest tokens per byte in wire/count/families.toml, after the fixed overhead of each such text.
    """
    return max((length - _FREE) * 7 // 12 - shown, 0)


def audio_size(length: int) -> int:
    """Return the text bytes of base64 audio: a token is 50 ms (platform.openai.com/docs/guides/realtime-costs), which
    is 2,400 bytes of PCM at 24 kHz, and fewer compressed.
    """
    return length * 3 // 4 // _AUDIO_BYTES_PER_BYTE
