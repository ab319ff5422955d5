"""Load on a fleet: clients that ask again and again, each at its own gateway, whatever became of the answer before."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from tests.e2e.fleet.gateways import Fleet
from tests.e2e.raw_client import PATHS, ClientAnswer, ClientRequest, ask, question, until

SCRIPT = """
seed = 9
keep_records = 200000
[answer]
tokens = 40
chunk_chars = 20
delay_ms = 15
first_ms = 30
usage = { input = [10, 900], cache_read = [0, 500], output = [1, 400] }
"""
"""What the vendor answers under load: streams of some 200 ms."""

Draw = Callable[[random.Random], ClientRequest]

_PATIENCE_SECONDS = 90  # no answer takes as long: who waits on is shown as one who left


@dataclass
class Load:
    """Runs for as long as the `async with` lasts. `draw` says what is asked next; `clients`: of each gateway."""

    fleet: Fleet
    draw: Draw
    seed: int
    clients: int = 8
    heard: list[ClientAnswer] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)  # of each gateway, so far
    _enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        places = range(len(self.fleet.gateways))
        self.completed = [0 for _ in places]
        self._tasks = [
            asyncio.create_task(self._ask_on(place, number)) for place in places for number in range(self.clients)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._enough.set()
        await asyncio.gather(*self._tasks)

    async def serves(self, *places: int, answers: int = 5) -> None:
        """Until each of these gateways has completed so many more answers."""
        goals = {place: self.completed[place] + answers for place in places}
        await until(lambda: all(self.completed[place] >= goal for place, goal in goals.items()), 60)

    async def _ask_on(self, place: int, number: int) -> None:
        dice = random.Random(f"{self.seed}/{place}/{number}")
        while not self._enough.is_set():
            heard = ClientAnswer(self.draw(dice))
            self.heard.append(heard)
            try:
                await ask(self.fleet.gateways[place].url, heard.question, heard)
            except OSError:  # nobody listens
                await asyncio.sleep(0.05)
            if heard.status == 503:
                await asyncio.sleep(0.05)
            self.completed[place] += heard.how == "complete"


def plain(keys: Sequence[str], leave: float = 0.1) -> Draw:
    """Streams and whole answers in two dialects; `leave`: how likely a client hangs up."""

    def draw(dice: random.Random) -> ClientRequest:
        key = dice.choice(keys)
        asked = question(dice.choice(PATHS), key, stream=dice.random() < 0.6, max_tokens=500)
        if dice.random() < leave:
            return replace(asked, leave_bytes=dice.randrange(1, 3000))
        return replace(asked, leave_seconds=_PATIENCE_SECONDS)

    return draw
