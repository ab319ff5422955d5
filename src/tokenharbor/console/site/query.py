"""What a reader of the list asks for, from the address's query: anything else in it is left out, and never an error."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, Literal, get_args
from urllib.parse import urlencode

from tokenharbor.kernel.usage import Usage

Sort = Literal["name", "cost", "input", "output", "context", "newest"]
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)
CONTEXTS: Final = (32_000, 128_000, 200_000, 1_000_000)
INPUT_PRICES: Final = ("0.25", "1", "3", "10")
"""Choices of the least context in tokens, and of the highest input price in USD per 1M tokens."""

MOST_COMPARED: Final = 4
MOST_TEXT: Final = 100
_MOST_COUNT: Final = 9  # digits of a number of tokens or calls
_DIGITS = re.compile(r"[0-9][0-9_, ]{0,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CallSize:
    """A call whose cost is shown: tokens in, how many of them come from the cache, tokens out; and how many calls."""

    input: int = 10_000
    cached: int = 0
    output: int = 1_000
    calls: int = 1

    @property
    def usage(self) -> Usage:
        cached = min(self.cached, self.input)
        return Usage(input=self.input - cached, cache_read=cached, output=self.output)


USUAL_CALL: Final = CallSize()


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """Empty: not narrowed down. `price` is the highest input price, as a decimal string."""

    text: str = ""
    capabilities: tuple[str, ...] = ()
    provider: str = ""
    surface: str = ""
    context: int = 0
    free: bool = False
    price: str = ""
    sort: Sort = "name"
    compared: tuple[str, ...] = ()
    call: CallSize = field(default=USUAL_CALL)

    @property
    def most_price(self) -> Decimal | None:
        return Decimal(self.price) if self.price else None

    @property
    def narrows(self) -> bool:
        """Whether anything but order and call is asked for."""
        return any((self.text, self.capabilities, self.provider, self.surface, self.context, self.free, self.price))

    @property
    def of_call(self) -> "ModelQuery":
        """Only the call whose cost is shown."""
        return ModelQuery(call=self.call)

    def without(self, name: str) -> "ModelQuery":
        """The same with one model less to compare."""
        return replace(self, compared=tuple(each for each in self.compared if each != name))

    def written(self, **instead: str) -> str:
        """As a query, without what is as usual; beginning with `?` if there is anything in it."""
        call, usual = self.call, USUAL_CALL
        counts = (
            ("in", call.input, usual.input),
            ("cached", call.cached, usual.cached),
            ("out", call.output, usual.output),
            ("calls", call.calls, usual.calls),
        )
        pairs = [
            ("q", self.text),
            *(("capability", each) for each in self.capabilities),
            ("provider", self.provider),
            ("surface", self.surface),
            ("context", str(self.context or "")),
            ("free", "1" if self.free else ""),
            ("price", self.price),
            ("sort", "" if self.sort == SORTS[0] else self.sort),
            *((name, "" if count == usually else str(count)) for name, count, usually in counts),
            *(("compare", each) for each in self.compared),
        ]
        stated = [pair for pair in pairs if pair[1] and pair[0] not in instead]
        stated += [pair for pair in instead.items() if pair[1]]
        return f"?{urlencode(stated)}" if stated else ""


NO_QUERY: Final = ModelQuery()


def read_query(pairs: Sequence[tuple[str, str]]) -> ModelQuery:
    """From the pairs of a query."""
    first: dict[str, str] = {}
    for name, value in pairs:
        first.setdefault(name, value.strip())
    capabilities = dict.fromkeys(value[:MOST_TEXT] for name, value in pairs if name == "capability" and value)
    compared = dict.fromkeys(value[: MOST_TEXT * 2] for name, value in pairs if name == "compare" and value)
    return ModelQuery(
        text=first.get("q", "")[:MOST_TEXT],
        capabilities=tuple(sorted(capabilities))[:20],
        provider=first.get("provider", "")[:MOST_TEXT],
        surface=first.get("surface", "")[:MOST_TEXT],
        context=_count(first, "context", 0),
        free=bool(first.get("free")),
        price=_price(first.get("price", "")),
        sort=next((each for each in SORTS if each == first.get("sort")), SORTS[0]),
        compared=tuple(compared)[:MOST_COMPARED],
        call=read_call(first),
    )


def read_call(stated: Mapping[str, str]) -> CallSize:
    """What is no count is as usual."""
    return CallSize(
        _count(stated, "in", USUAL_CALL.input),
        _count(stated, "cached", USUAL_CALL.cached),
        _count(stated, "out", USUAL_CALL.output),
        max(_count(stated, "calls", USUAL_CALL.calls), 1),
    )


def _count(stated: Mapping[str, str], name: str, usual: int) -> int:
    """A whole number, as people write it."""
    text = stated.get(name, "")
    if not _DIGITS.fullmatch(text):
        return usual
    digits = re.sub(r"[_, ]", "", text)
    return int(digits) if len(digits) <= _MOST_COUNT else usual


def _price(text: str) -> str:
    return text if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text, re.ASCII) else ""
