"""The simulator as a separate command, its banner, the demo's script and the fast path of benchmarks."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.simulator.conftest import Start
from tests.simulator.raw import CHAT, MESSAGES, RESPONSES, ask, get

from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.world import real_world
from tokenharbor.simulator.demo import DEMO_TEXT, demo_script
from tokenharbor.simulator.model import filler_text
from tokenharbor.simulator.script import Script
from tokenharbor.simulator.serve import start

RUN = "import sys; from pathlib import Path; from tokenharbor.simulator.serve import run; run(0, Path(sys.argv[1]))"


@contextmanager
def command(script: Path) -> Iterator[tuple[int, list[str]]]:
    """The running command: its port and its first two lines. It must exit cleanly on SIGTERM."""
    with subprocess.Popen([sys.executable, "-c", RUN, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        try:
            yield int(lines[0].rpartition(":")[2]), lines
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


async def test_the_command_says_where_it_listens_and_what_it_is_and_ends_on_sigterm(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text("answer = { text = 'from a process' }")
    with command(script) as (port, lines):
        assert re.fullmatch(r"simulator listening on http://127\.0\.0\.1:\d+\n", lines[0])
        assert "simulator" in lines[1]
        assert b"from a process" in (await ask(port, CHAT)).body


async def test_resets_on_the_commands_own_loop(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text("[[rules]]\nfault = { kind = 'break', how = 'reset' }")
    with command(script) as (port, _):
        assert (await ask(port, CHAT, stream=True)).ended == "reset"
        assert (await ask(port, MESSAGES)).ended == "reset"


async def test_a_port_that_is_taken_is_one_line() -> None:
    simulator = await start(real_world(), Script())
    with pytest.raises(Misconfigured, match=f"127.0.0.1:{simulator.port}"):
        await start(real_world(), Script(), port=simulator.port)
    await simulator.stop()


async def test_every_answer_says_that_it_is_simulated(simulate: Start) -> None:
    simulator = await simulate("")
    for path in ("/", "/v1/models", "/simulator/requests", "/nowhere"):
        assert (await get(simulator.port, path)).headers["x-simulated"] == "true"
    assert (await get(simulator.port, "/", "HEAD")).status == 200
    assert (await get(simulator.port, "/nowhere")).status == 404
    assert b"simulator" in (await get(simulator.port, "/")).body


async def test_the_demo_says_what_it_is_and_repeats_nothing() -> None:
    simulator = await start(real_world(), demo_script(("demo",)))
    secret = [{"role": "user", "content": "my password is swordfish"}]
    for path in (CHAT, MESSAGES):
        for stream in (True, False):
            answer = await ask(simulator.port, path, stream=stream, messages=secret)
            assert answer.headers["x-simulated"] == "true"
            assert b"swordfish" not in answer.body
        assert "not a language model" in answer.body.decode()
    assert "demo provider" in DEMO_TEXT
    assert simulator.requests == []
    await simulator.stop()


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_fixed_answer_is_the_same_bytes_each_time(simulate: Start, path: str, stream: bool) -> None:
    simulator = await simulate("answer = { tokens = 40, chunks = 20, fixed = true }\nkeep_records = 0")
    first = await ask(simulator.port, path, stream=stream)
    assert (await ask(simulator.port, path, stream=stream)).body == first.body
    if stream:
        marks = ('"text_delta"', '"delta":{"content"', '"response.output_text.delta"')
        grew = [event for event in first.events if any(mark in event for mark in marks)]
        assert len(grew) == 20
    assert simulator.requests == []


def test_filler_is_one_token_for_each_word() -> None:
    assert filler_text(0) == ""
    assert filler_text(3) == "sea tug oar."
    assert {len(filler_text(count)) for count in (1, 2, 50)} == {4, 8, 200}
