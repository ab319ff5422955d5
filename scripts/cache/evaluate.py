"""Says what the semantic cache would serve of question pairs: by source, with intervals, and every false hit.

Usage: .venv/bin/python scripts/cache/evaluate.py PAIRS.jsonl [--part development|test]

A line of PAIRS has `a`, `b`, `same`, `source`, `kind` and `id`. Thresholds and words were fixed on the development
part: half of the QQP questions (those that share a question stay together) and every other CheckList template. The rest
is the test part, PAWS and MRPC as a whole.
"""

import argparse
import hashlib
import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenharbor.cache.similar.embedder import Embedder
from tokenharbor.cache.similar.model import installed, opened
from tokenharbor.cache.similar.reading import read, unfit_reason
from tokenharbor.cache.similar.verify import Prompt, mismatch

Pair = dict[str, Any]


@dataclass(slots=True)
class Count:
    """What one source has, and what of it would be served."""

    same: int = 0
    other: int = 0
    served: int = 0
    false: int = 0

    def add(self, pair: Pair, *, served: bool) -> None:
        self.same += pair["same"]
        self.other += not pair["same"]
        self.served += pair["same"] and served
        self.false += served and not pair["same"]

    def __str__(self) -> str:
        wrong = f"{self.false} of {self.served + self.false}"
        return f"{_share(self.served, self.same):<32}{_share(self.false, self.other):<34}{wrong}"


def _share(part: int, whole: int, z: float = 1.96) -> str:
    """Return a share with its 95 % interval (Wilson)."""
    if not whole:
        return "none"
    share, spread = part / whole, z * z / whole
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / whole + spread / (4 * whole)) / (1 + spread)
    return f"{part}/{whole} {share:.2%} [{max(0, middle - half):.2%}, {middle + half:.2%}]"


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _groups(pairs: list[Pair]) -> dict[str, str]:
    """Return for each question the least id of all pairs that are connected with it by shared questions."""
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        while parent.setdefault(text, text) != text:
            text = parent[text]
        return text

    for pair in pairs:
        parent[root(_plain(pair["a"]))] = root(_plain(pair["b"]))
    least: dict[str, str] = {}
    for pair in pairs:
        at = root(_plain(pair["a"]))
        least[at] = min(least.get(at, pair["id"]), pair["id"])
    return {_plain(pair["a"]): least[root(_plain(pair["a"]))] for pair in pairs}


def _development(pairs: list[Pair]) -> Iterator[Pair]:
    groups = _groups(pairs)
    templates = sorted({pair["source"] for pair in pairs if pair["kind"] == "checklist"})
    for pair in pairs:
        group = groups[_plain(pair["a"])].encode()
        if (pair["kind"] == "checklist" and templates.index(pair["source"]) % 2 == 0) or (
            pair["kind"] == "qqp" and hashlib.blake2b(group, digest_size=1).digest()[0] < 128
        ):
            yield pair


def _prompt(embedder: Embedder, text: str) -> Prompt | None:
    vectors = None if unfit_reason(text) else embedder.embed(text)
    return Prompt(read(text), vectors) if vectors else None


@dataclass(slots=True)
class Judge:
    """Says what would be served, and how long each look-up took: the thread's own time, in ms."""

    embedder: Embedder
    took: list[float] = field(default_factory=list)

    def serves(self, pair: Pair) -> bool:
        stored = _prompt(self.embedder, pair["a"])
        began = time.thread_time()
        asked = _prompt(self.embedder, pair["b"])
        served = stored is not None and asked is not None and mismatch(stored, asked) is None
        if asked is not None:
            self.took.append((time.thread_time() - began) * 1000)
        return served


def report(embedder: Embedder, pairs: Iterable[Pair]) -> None:
    counts: dict[str, Count] = defaultdict(Count)
    judge, false = Judge(embedder), []
    for pair in pairs:
        served = judge.serves(pair)
        for name in (pair["kind"], "pooled"):
            counts[name].add(pair, served=served)
        if served and not pair["same"]:
            false.append(pair)
    print(f"{'source':<12}{'paraphrases served':<32}{'others served':<34}wrong of served")
    for name in sorted(counts):
        print(f"{name:<12}{counts[name]}")
    took = sorted(judge.took)
    print(f"look-up: p50 {took[len(took) // 2]:.1f} ms, p99 {took[len(took) * 99 // 100]:.1f} ms of one thread")
    for pair in false:
        print(f"false hit, {pair['kind']} {pair['id']}: {pair['a']} | {pair['b']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--part", choices=("development", "test"), default="test")
    given = parser.parse_args()
    pairs = [json.loads(line) for line in given.pairs.read_text().splitlines()]
    development = {pair["id"] for pair in _development(pairs)}
    with tempfile.TemporaryDirectory() as folder:
        embedder = opened(installed(), Path(folder))
        report(embedder, (pair for pair in pairs if (pair["id"] in development) == (given.part == "development")))


if __name__ == "__main__":
    main()
