"""The usage of a request, as a vector of disjoint whole numbers."""

from operator import attrgetter

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The usage of a request; tokens unless the name says otherwise. No token is counted twice: `input` excludes tokens
    read from or written to the vendor's cache, `output` excludes `reasoning`.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image_in: int = 0
    images_out: int = 0
    seconds: int = 0
    web_searches: int = 0
    tool_uses: int = 0
    characters: int = 0
    search_units: int = 0


NO_USAGE = Usage()

UNITS: tuple[str, ...] = Usage.__struct_fields__
"""The names of all units, in the vector's order."""

INPUT_UNITS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in")
OUTPUT_UNITS = ("output", "reasoning", "audio_out")

PIECE_UNITS = tuple([unit for unit in UNITS if unit not in {*INPUT_UNITS, *OUTPUT_UNITS}])
"""The units that are not tokens."""

_INPUT_COUNTS = attrgetter(*INPUT_UNITS)


def input_size(usage: Usage) -> int:
    """Return the input's size in tokens, which decides the step of a price."""
    return sum(_INPUT_COUNTS(usage))


_TOKEN_COUNTS = attrgetter(*INPUT_UNITS, *OUTPUT_UNITS)


def token_count(usage: Usage) -> int:
    """Return the number of tokens of input and output together."""
    return sum(_TOKEN_COUNTS(usage))
