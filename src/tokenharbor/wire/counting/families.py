"""Tokenizer families: how far each one's counts lie from o200k's, and what vendors add around the words.

The numbers are fitted to recorded counts; docs/counting.md has the evidence. `margin` puts the estimates in the middle
of what is promised: at most 3% under and 20% over.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Patches(msgspec.Struct, frozen=True, tag=True):
    """A picture is cut into square patches: `factor` tokens each, at most `most` patches after it was shrunk until its
    longer side has `edge` pixels.
    """

    side: int
    edge: int
    most: int
    factor: float = 1


class Tiles(msgspec.Struct, frozen=True, tag=True):
    """A picture is shrunk into a square of `edge` and to a shorter side of `short`, then cut into tiles: `base` tokens
    and `each` for a tile.
    """

    side: int
    edge: int
    short: int
    base: int
    each: int


class Flat(msgspec.Struct, frozen=True, tag=True):
    """Every picture counts the same."""

    tokens: int


class Family(msgspec.Struct, frozen=True):
    """One tokenizer, and the usual overheads of the vendors that use it. Weights are tokens beside o200k's own."""

    pictures: Patches | Tiles | Flat
    fives: float = 0
    eights: float = 0
    digits: float = 0
    asian: float = 0
    foreign: float = 0
    margin: float = 1
    request: int = 3
    message: int = 4
    typed_tools: bool = False  # tools are shown to the model as TypeScript, not as JSON
    tools: int = 0  # once, where there are tools
    forced: int = 0  # once more, where one must be called
    tool: int = 8
    call: int = 8
    result: int = 4
    format: int = 0  # once, where a schema is asked for
    format_factor: float = 1  # of the schema's own tokens
    thinking: int = 0  # once, where the caller sets a budget
    page: int = 1_500  # of a PDF
    second: float = 32  # of sound


_PATCHES_32 = Patches(side=32, edge=6_000, most=10_000, factor=1.2)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "o200k": Family(pictures=_PATCHES_32, typed_tools=True, second=10),
        "o200k-tiles": Family(
            pictures=Tiles(side=512, edge=2_048, short=768, base=85, each=170), typed_tools=True, second=10
        ),
        "claude": Family(
            pictures=Patches(side=28, edge=2_000, most=4_000),
            fives=1.28,
            asian=0.4,
            foreign=0.15,
            digits=0.1,
            margin=1.06,
            request=7,
            tools=290,
            forced=100,
            tool=28,
            call=30,
            result=28,
            format=145,
            page=2_000,
        ),
        "claude-4": Family(
            pictures=Patches(side=28, edge=1_568, most=1_568),
            eights=0.46,
            digits=0.1,
            asian=0.4,
            foreign=0.15,
            margin=1.06,
            request=7,
            tools=490,
            forced=100,
            tool=28,
            call=30,
            result=28,
            format=145,
            thinking=29,
            page=2_000,
        ),
        "gemini": Family(
            pictures=Flat(1_100), margin=1.04, request=0, message=1, tool=6, call=10, result=8, format_factor=0, page=560
        ),
        "gemini-2": Family(
            pictures=Flat(258), margin=1.04, request=0, message=1, tool=6, call=10, result=8, format_factor=0, page=258
        ),
        "deepseek": Family(pictures=Flat(1_000), margin=1.06, request=4, message=1),
        "default": Family(pictures=Flat(1_200), margin=1.06),
    }
)
"""By the name that a model's `tokenizer` has in the catalogue; for an unknown name, "default" holds."""
