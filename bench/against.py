"""Two commits in turns: the same load on the product of this checkout and on that of another commit, by CPU time."""

import contextlib
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench import rows
from bench.house import pause_between_rows, start_house
from bench.machine import ROOT, Missing
from bench.rows import BenchSetup, Cost

_SAMPLES = 10_000
_LEAST, _MOST = 0.025, 0.975
_ROWS: Sequence[tuple[str, Callable[[BenchSetup], Cost]]] = (
    ("one wallet", lambda stage: rows.gateway_requests(stage, "bench", stage.keys[:1])),
    ("many wallets", lambda stage: rows.gateway_requests(stage, "bench", stage.keys)),
    ("messages on chat", rows.messages_on_chat),
    ("chunks", rows.gateway_chunks),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a row cost on both sides, in turn."""

    new: Cost
    old: Cost


def compare(new: BenchSetup, commit: str, turns: int, wants: Callable[[str], bool], *, limited: bool) -> None:
    """Measure each row on both in turn, each first in every other turn, and print the ratios new / old. `limited`: the
    new side has every limit, none of which is ever reached.
    """
    chosen = [row for row in _ROWS if wants(row[0])]
    found: dict[str, list[Turn]] = {name: [] for name, _ in chosen}
    if limited:
        new.house.limit_all()
    with checkout(new.started.folder / "old", commit) as source:
        house = start_house(new.started, (new.ports["vendor"], new.ports["drip"]), rows.MODELS, source)
        old = replace(new, house=house, keys=house.open_wallets(rows.WALLETS), billed=0)
        for stage in (new, old):
            rows.pin_apart(stage)
        for turn in range(turns + 1):  # the first one warms both, and does not count
            for name, run in chosen:
                costs = _in_turn(run, new, old, new_first=turn % 2 == 0)
                if turn:
                    found[name].append(costs)
                    print(f"turn {turn}, {name}: new {_shown(costs.new)}, old {_shown(costs.old)}", flush=True)
        for stage in (new, old):
            stage.house.cli("ledger", "verify")
    print("\n" + "\n".join(table(found, commit)))


def _in_turn(run: Callable[[BenchSetup], Cost], new: BenchSetup, old: BenchSetup, *, new_first: bool) -> Turn:
    """One side, the other twice, the first again: what drifts meanwhile meets both alike."""
    first, second = (new, old) if new_first else (old, new)
    costs: dict[int, list[Cost]] = {id(new): [], id(old): []}
    for stage in (first, second, second, first):
        stage.house.tidy()
        costs[id(stage)].append(run(stage))
        pause_between_rows()
    return Turn(Cost.middle(costs[id(new)]), Cost.middle(costs[id(old)]))


def _shown(cost: Cost) -> str:
    return f"{cost.proxy_us:.1f} + {cost.postgres_us:.1f} µs"


@contextlib.contextmanager
def checkout(folder: Path, commit: str) -> Iterator[Path]:
    """The source of a commit, in a worktree that is gone afterwards. Raises Missing for one that is not known."""
    _git("worktree", "add", "--detach", "--quiet", str(folder), commit)
    try:
        yield folder / "src"
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> None:
    done = subprocess.run(["git", *words], check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise Missing(f"git {' '.join(words[:2])} fails: {done.stderr.strip()}")


def table(found: dict[str, list[Turn]], commit: str) -> Iterator[str]:
    yield f"| CPU, µs each | this checkout | {commit} | ratio | 95% interval |"
    yield "|---|--:|--:|--:|--:|"
    for name, turns in found.items():
        yield _line(f"{name}: gateway", [(turn.new.proxy_us, turn.old.proxy_us) for turn in turns])
        both = [(turn.new.proxy_us + turn.new.postgres_us, turn.old.proxy_us + turn.old.postgres_us) for turn in turns]
        yield _line(f"{name}: gateway and PostgreSQL", both)


def _line(name: str, pairs: Sequence[tuple[float, float]]) -> str:
    ratios = [new / old for new, old in pairs]
    least, most = interval(ratios)
    new_us, old_us = median(new for new, _ in pairs), median(old for _, old in pairs)
    return f"| {name} | {new_us:.1f} | {old_us:.1f} | {median(ratios):.3f} | {least:.3f} to {most:.3f} |"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Of the median: a bootstrap over the turns, always with the same draws."""
    draw = random.Random(7)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(_SAMPLES))
    return medians[int(_LEAST * _SAMPLES)], medians[int(_MOST * _SAMPLES)]
