"""What an answer holds beside text, as the bytes of text that it counts for at the least where we count ourselves."""

IMAGE = 4 * 272
"""A picture: 272 tokens, the fewest that any size and quality counts for
(developers.openai.com/api/docs/guides/image-generation, "Cost and latency")."""

_FREE = 800
_AUDIO_BYTES_PER_BYTE = 600


def sealed(length: int, shown: int = 0) -> int:
    """Reasoning that comes encrypted, as base64 of `length`; `shown` bytes of it came in words, too. By the least
    tokens for a byte that wire/count/families.toml has, beyond what each such text has around it.
    """
    return max((length - _FREE) * 7 // 12 - shown, 0)


def sound(length: int) -> int:
    """Audio in base64: a token is 50 ms (platform.openai.com/docs/guides/realtime-costs), which are 2,400 bytes of PCM
    at 24 kHz, and fewer of what is compressed.
    """
    return length * 3 // 4 // _AUDIO_BYTES_PER_BYTE
