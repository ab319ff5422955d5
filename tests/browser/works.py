"""What the seeded account calls models for: which key, which model, how many tokens, how long, how often."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
SAID = "The tide turns at four. Then the pilot boat leaves, and everything that waits at the pier can be loaded."


@dataclass(frozen=True)
class Work:
    """One kind of call. Ranges are of tokens and milliseconds; `cached` is a share of the input, in percent."""

    key: str
    model: str
    weight: int
    tokens_in: tuple[int, int]
    cached: tuple[int, int]
    tokens_out: tuple[int, int]
    first_ms: tuple[int, int]
    path: str = CHAT
    stream: bool = False
    hours: tuple[int, int] = (7, 18)


_ALL_DAY, _AT_NIGHT = (6, 22), (2, 3)

WORKS: Sequence[Work] = (
    Work(
        "Claude Code", "claude-sonnet-5-5", 32, (40_000, 190_000), (80, 95), (600, 5_200), (900, 2_600), MESSAGES, True
    ),
    Work(
        "Claude Code", "claude-opus-5-5", 13, (50_000, 180_000), (75, 92), (700, 5_400), (1_400, 3_400), MESSAGES, True
    ),
    Work("Support bot", "gpt-6.1-terra", 26, (900, 5_200), (0, 70), (60, 520), (380, 1_200), CHAT, True, _ALL_DAY),
    Work("Support bot", "gemini-3.8-flash", 16, (700, 4_000), (0, 60), (60, 480), (260, 800), CHAT, True, _ALL_DAY),
    Work("CI", "deepseek-v4-pro", 14, (3_000, 18_000), (20, 80), (300, 2_400), (1_100, 4_200)),
    Work("Nightly evals", "claude-haiku-5-5", 9, (1_500, 9_000), (0, 40), (200, 900), (400, 1_300), hours=_AT_NIGHT),
    Work("Nightly evals", "kimi-k2.7-code", 5, (2_000, 12_000), (10, 60), (300, 1_500), (900, 2_800), hours=_AT_NIGHT),
    Work(
        "Claude Code", "th-orchestra/plan", 4, (9_000, 40_000), (50, 85), (500, 3_800), (1_400, 3_400), MESSAGES, True
    ),
    Work(
        "Claude Code", "th-orchestra/code", 9, (30_000, 120_000), (80, 95), (400, 4_200), (900, 2_600), MESSAGES, True
    ),
    Work(
        "Claude Code", "th-orchestra/review", 3, (12_000, 60_000), (40, 80), (300, 1_900), (900, 2_800), MESSAGES, True
    ),
)
REPEATED = {"Support bot": 0.14, "CI": 0.1}
"""How often a call is made again within a minute, word for word."""

QUESTIONS = (
    "move a booking to another berth",
    "cancel a mooring that is paid",
    "change the name on a boat licence",
    "report a broken lamp at the pier",
    "get a receipt for harbour fees",
    "reserve a place on the slipway",
)
"""What guests ask the bot: each at one time, since answers are kept for minutes of a clock that nobody moves."""
WORDINGS = tuple(
    f"{how} {{}} {soon}?"
    for soon in ("quickly", "fast")
    for how in ("How do I", "How can I", "How can one", "How could one", "How does one")
)
"""All of them ask the same."""


@dataclass(frozen=True)
class Call:
    """One call of a work: what is asked, what the vendor answers, how long it takes there."""

    work: Work
    tokens_in: int
    cached: int
    tokens_out: int
    first_ms: int
    rest_ms: int
    number: int  # no two ask the same, unless one is made again
    question: str = ""  # instead of it: one that may have an earlier answer to the same in other words

    @property
    def body(self) -> Mapping[str, Any]:
        words = f"{self.number} " + "harbour " * (self.tokens_in // 2)  # no vendor counts more tokens than it has bytes
        maximum = -(-self.tokens_out // 1000) * 1000
        field = "max_tokens" if self.work.path == MESSAGES or self.question else "max_completion_tokens"
        return {
            "model": self.work.model,
            "stream": self.work.stream,
            field: maximum,
            "messages": [{"role": "user", "content": self.question or words}],
            **({"cache": {"semantic": True}} if self.question else {}),
        }

    @property
    def answer(self) -> Mapping[str, Any]:
        usage = {"input": self.tokens_in - self.cached, "cache_read": self.cached, "output": self.tokens_out}
        return {"text": SAID, "chunks": 5, "delay_ms": 10, "usage": usage}


def ask_guests(chance: random.Random, question: str, wording: str) -> Call:
    """A short question to the support bot, and a long answer."""
    call = draw_call(chance, WORKS[2])
    text = wording.format(question)
    return replace(call, tokens_in=len(text) // 4, cached=0, tokens_out=chance.randint(500, 980), question=text)


def draw_call(chance: random.Random, work: Work) -> Call:
    tokens_in = chance.randint(*work.tokens_in)
    tokens_out = chance.randint(*work.tokens_out)
    return Call(
        work,
        tokens_in,
        tokens_in * chance.randint(*work.cached) // 100,
        tokens_out,
        chance.randint(*work.first_ms),
        min(6_000, tokens_out * chance.randint(9, 16) // 4) if work.stream else 0,
        chance.getrandbits(32),
    )
