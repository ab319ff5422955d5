"""Fixtures: running simulators, and a client that sees the bytes."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tokenharbor.kernel.world import real_world
from tokenharbor.simulator.script import read_script
from tokenharbor.simulator.serve import Simulator, start

Start = Callable[[str], Awaitable[Simulator]]


@pytest.fixture
async def simulate() -> AsyncIterator[Start]:
    """Start a simulator with a script in TOML; all are stopped after the test."""
    running: list[Simulator] = []

    async def begin(script: str) -> Simulator:
        simulator = await start(real_world(), read_script(script, form="toml", where="test"))
        running.append(simulator)
        return simulator

    yield begin
    for simulator in running:
        await simulator.stop()
