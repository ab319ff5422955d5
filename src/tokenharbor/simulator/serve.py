"""Start of the simulated provider, inside a program or as a separate command."""

import asyncio
import signal
from pathlib import Path

import uvloop

from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.kernel.errors import Misconfigured, Refusal
from tokenharbor.kernel.world import World, real_world
from tokenharbor.simulator.dialect import ErrorFields
from tokenharbor.simulator.openai_chat import SimulatedOpenAIChat
from tokenharbor.simulator.paypal import SimulatedPayPal
from tokenharbor.simulator.processor_server import ProcessorServer
from tokenharbor.simulator.provider import BANNER, SimulatedProvider
from tokenharbor.simulator.record import SimulatorRecord, SimulatorRecords
from tokenharbor.simulator.script import Script, load_script
from tokenharbor.simulator.stripe import SimulatedStripe

_DRAIN_SECONDS = 0.2  # streams are cut after this


class Simulator:
    """A running provider; `url` has no path."""

    def __init__(self, provider: SimulatedProvider, server: Server, host: str, port: int) -> None:
        self._provider = provider
        self._server = server
        self.host = host
        self.port = port
        self.url = f"http://{host}:{port}"

    @property
    def records(self) -> SimulatorRecords:
        return self._provider.records

    @property
    def requests(self) -> list[SimulatorRecord]:
        """The records so far, in order of arrival."""
        return self._provider.records.list()

    @property
    def script(self) -> Script:
        return self._provider.script

    def set_script(self, script: Script) -> None:
        """Use another script from the next request on; rules and numbers restart, records stay."""
        self._provider.set_script(script)

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return self._server.connections

    async def stop(self) -> None:
        await self._server.drain(_DRAIN_SECONDS)


async def start(world: World, script: Script, host: str = "127.0.0.1", port: int = 0) -> Simulator:
    """Serve inside the running loop; port 0 picks a free one. Raises Misconfigured if the address is taken."""
    provider = SimulatedProvider(world, script)
    server = Server(provider.handle, ServerLimits(), world.clock, refuse=_refuse)
    try:
        bound = await server.start(host, port)
    except OSError as error:
        raise Misconfigured(f"simulator: cannot listen on {host}:{port}: {error.strerror}") from None
    return Simulator(provider, server, host, bound)


def run(port: int, script_file: Path | None = None, host: str = "127.0.0.1", *, payments: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, as the command does. Raises Misconfigured."""
    script = Script() if script_file is None else load_script(script_file)
    uvloop.run(_serve(script, host, port, payments=payments))


async def _serve(script: Script, host: str, port: int, *, payments: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    world = real_world()
    simulator = await start(world, script, host, port)
    processors: list[ProcessorServer] = [SimulatedStripe(world), SimulatedPayPal(world)] if payments else []
    print(f"simulator listening on {simulator.url}\n{BANNER}", flush=True)  # noqa: T201  the command's output
    for place, processor in enumerate(processors, 1):
        await processor.start(host, port and port + place)
        print(f"{processor.name} simulated on {processor.url}: no money moves", flush=True)  # noqa: T201  likewise
    await stopped.wait()
    for processor in processors:
        await processor.stop()
    await simulator.stop()


def _refuse(_path: str, refusal: Refusal) -> tuple[int, bytes, bytes]:
    """Refuse invalid HTTP, in one dialect for all."""
    body = SimulatedOpenAIChat().error(refusal.status, ErrorFields(message=refusal.message), "")
    return refusal.status, b"content-type: application/json\r\nx-simulated: true\r\n", body
