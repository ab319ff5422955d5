"""The world: everything that is not deterministic, passed to the code that needs it."""

from dataclasses import dataclass

from tokenharbor.kernel.clock import Clock, SystemClock
from tokenharbor.kernel.entropy import Entropy, SystemEntropy
from tokenharbor.kernel.ids import Ids


@dataclass(frozen=True, slots=True)
class World:
    """Clock, randomness and ids; simulations pass their own."""

    clock: Clock
    entropy: Entropy
    ids: Ids


def make_world(clock: Clock, entropy: Entropy) -> World:
    return World(clock, entropy, Ids(clock, entropy))


def real_world() -> World:
    return make_world(SystemClock(), SystemEntropy())
