"""A whole gateway in the tests' event loop: the production composition, with a simulator as every provider."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import asyncpg
import msgspec
import openai
import pytest
from tests.gateway import raw
from tests.gateway.raw import RawAnswer
from tests.gateway.tape import Tape, play

from tokenharbor.app.build import Harbor, open_harbor
from tokenharbor.app.secrets import credential_lookup
from tokenharbor.app.settings import Settings, load_settings
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.router import PathRouter
from tokenharbor.gateway.routes import ROUTES, PathRoute
from tokenharbor.gateway.snapshot import SaleKey, Snapshot, build_snapshots
from tokenharbor.http.client import Connector
from tokenharbor.http.origin import Origin
from tokenharbor.http.upstream_connection import UpstreamConnection
from tokenharbor.identity import store
from tokenharbor.identity.keys import make_key
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import SecretPurpose
from tokenharbor.kernel.world import real_world
from tokenharbor.ledger.types import Credit, Pool
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.simulator.provider import _WIRES
from tokenharbor.simulator.record import SimulatorRecord
from tokenharbor.simulator.script import Script, read_script
from tokenharbor.simulator.serve import Simulator, start

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
VENDORS = ("alpha", "beta", "gamma", "delta")
"""Providers of the model `quad` in the order of their prices; `duo` is at the first two, `solo` at the first."""

PLAYED = (*(wire.name for wire in _WIRES.values()), "bedrock_converse", "gemini")
"""The wires that the simulator speaks."""
TIMERS = ("connect", "first_event", "between_events", "total")
QUICK = 0.4
"""Seconds of the one timer that is short at the provider `quick_TIMER`; its others are long."""

LINGER = 0.2
"""Seconds that a provider is read on after its caller has left."""

ANSWER = 'answer = { text = "one two three four", chunk_chars = 4 }\n'
HELLO: Any = [{"role": "user", "content": "hello"}]

_AT_ONCE = 50  # accounts made beforehand
_LONG = dict.fromkeys(TIMERS, 20.0)
_NOWHERE = "blackhole.invalid"  # nobody refuses, nobody comes
_NOBODY = "http://127.0.0.1:1"  # nobody listens there
_PROVIDER = """
[providers.{name}]
wire = "openai_chat"
base_url = "{url}/{name}/v1"
credential = "env:{variable}"
timeouts = {{ {timeouts} }}
{more}
[providers.{name}.wires.openai_responses]
base_url = "{url}/{name}/v1"
[providers.{name}.wires.anthropic_messages]
base_url = "{url}/{name}/v1"
[providers.{name}.wires.gemini]
base_url = "{url}/{name}/v1beta"
"""
_FAR = """
[providers.{name}]
wire = "{wire}"
base_url = "{url}/{name}/v1"
auth = "bearer"
credential = "env:{variable}"
timeouts = {{ {timeouts} }}
"""
_MODEL = """
[models."{name}"]
vendor = "sims"
context = 200000
max_output = 8192
tokenizer = "o200k"
capabilities = ["tools", "reasoning", "json_schema", "vision"]
aliases = ["{name}-2026-01-01"]
"""
_REFUSES = '"no_sampling", "no_prefill", "no_forced_tools", "tools"'
"""What the model `refusing` answers with a 400."""

_ENDPOINT = """
[[models."{model}".endpoints]]
provider = "{provider}"
upstream_model = "{provider}-{model}"
price = {{ input = "{input}", output = "{output}", cache_read = "0.10", cache_write = "1.25", cache_write_1h = "2" }}
"""
_SIGNED = """
[providers.signed]
wire = "bedrock_converse"
base_url = "{url}/signed"
credential = "env:KEY_OF_SIGNED"
region = "us-east-1"
"""
_LIMITED = """
[models."{name}"]
vendor = "sims"
context = {context}
max_output = {most}
tokenizer = "o200k"
capabilities = [{capabilities}]
"""
LIMITED = {"blind": (200_000, 8_192, '"tools"'), "mute": (200_000, 8_192, '"vision"'), "short": (3_000, 1_000, "")}
"""Models of gamma that lack something: their context, longest answer and capabilities."""
SIGNER = "AKIDEXAMPLE"
"""Who asks the provider `signed`, which sells the model `abroad` and speaks no caller's dialect."""
_SURFACES = """
[models."{name}"]
vendor = "sims"
surfaces = [{surfaces}]
{more}
"""
_MEDIUM = """
[[models."{model}".endpoints]]
provider = "{provider}"
upstream_model = "{provider}-{model}"
price = {{ {price} }}
"""
MEDIA = {
    "vectors": ('"embeddings"', "context = 8000", 'input = "0.10"'),
    "painter": (
        '"images", "image_edits"',
        "",
        """variants = [{ size = "1024x1024", quality = "standard", image = "0.04" },
        { size = "1024x1024", quality = "hd", image = "0.08" }, { size = "1792x1024", image = "0.12" }]""",
    ),
    "token-painter": ('"images", "image_edits"', "max_output = 5000", 'input = "5", image_in = "10", output = "40"'),
    "voice": ('"speech"', "", 'character = "15"'),
    "scribe": ('"transcriptions"', "max_seconds = 7200", 'second = "0.0001"'),
    "token-scribe": (
        '"transcriptions"',
        "context = 16000\nmax_output = 2000",
        'input = "2.5", audio_in = "6", output = "10"',
    ),
    "camera": (
        '"videos"',
        "",
        'variants = [{ size = "720x1280", second = "0.10" }, { size = "1024x1792", second = "0.30" }]',
    ),
    "ranker": ('"rerank"', "", 'search_unit = "0.002"'),
}
"""Models of the surfaces beside chat, each at the first two vendors: what they serve, more, and their price."""

_MORE = {"alpha": 'region = "eu"\nretention = "none"', "beta": 'region = "us"\nretention = "days:30"'}


def configuration(simulator: str, tape: str) -> str:
    """The operator's file: every provider is the simulator under a prefix of its own, or the tape."""
    text = "".join(_provider(name, simulator) for name in VENDORS) + _provider("taped", tape)
    text += _provider("dead", _NOBODY) + _SIGNED.format(url=simulator)
    text += "".join(_provider(provider_of_wire(wire), simulator, wire=wire) for wire in PLAYED)
    for timer in TIMERS:
        url = f"http://{_NOWHERE}" if timer == "connect" else simulator
        text += _provider(f"quick_{timer}", url, _LONG | {timer: QUICK})
    models = {
        "solo": VENDORS[:1],
        "duo": VENDORS[:2],
        "quad": VENDORS,
        "tape": ("taped",),
        "abroad": ("signed",),
    }
    models["last-resort"] = ("dead", "quick_connect", "alpha")
    models |= {f"only-{wire}": (provider_of_wire(wire),) for wire in PLAYED}
    models["refusing"] = (provider_of_wire("anthropic_messages"),)
    models |= {f"then-{wire}": ("alpha", provider_of_wire(wire)) for wire in PLAYED}
    models["mixed"] = (
        provider_of_wire("anthropic_messages"),
        provider_of_wire("gemini"),
        provider_of_wire("openai_chat"),
    )
    models["mixed-foreign"] = (provider_of_wire("openai_chat"), provider_of_wire("gemini"))
    models |= {f"quick-{timer}": (f"quick_{timer}",) for timer in TIMERS}
    for model, providers in models.items():
        text += _MODEL.format(name=model).replace('"tools"', _REFUSES if model == "refusing" else '"tools"')
        for place, provider in enumerate(providers, 1):
            text += _ENDPOINT.format(model=model, provider=provider, input=f"{place}.00", output=f"{2 * place}.00")
    for name, (context, most, capabilities) in LIMITED.items():
        text += _LIMITED.format(name=name, context=context, most=most, capabilities=capabilities)
        text += _ENDPOINT.format(model=name, provider="gamma", input="0.50", output="1.00")
    for name, (surfaces, more, price) in MEDIA.items():
        text += _SURFACES.format(name=name, surfaces=surfaces, more=more)
        for provider in VENDORS[:2]:
            text += _MEDIUM.format(model=name, provider=provider, price=price)
    return text


def provider_of_wire(wire: str) -> str:
    """The provider that speaks this wire and no other: its are the models `only-WIRE` and, after alpha, `then-WIRE`."""
    return f"far_{wire}"


def _provider(name: str, url: str, timers: Mapping[str, float] = _LONG, wire: str = "") -> str:
    timeouts = ", ".join(f"{timer} = {seconds}" for timer, seconds in timers.items())
    form = _FAR if wire else _PROVIDER
    said = {"name": name, "url": url, "variable": _variable(name), "timeouts": timeouts, "wire": wire}
    return form.format(**said, more=_MORE.get(name, ""))


def _variable(provider: str) -> str:
    return f"KEY_OF_{provider.upper()}"


def credential_of(provider: str) -> str:
    return f"vendor-secret-of-{provider}-0123456789"


@dataclass(frozen=True)
class Payer:
    """An account and one of its keys."""

    account_id: UUID
    key_id: UUID
    key: str


@dataclass(repr=False)  # each test's task is written out with its result, and this one holds a catalogue
class House:
    """The running gateway, and what tests turn at it."""

    harbor: Harbor
    settings: Settings
    parts: Dependencies
    simulator: Simulator
    tape: Tape
    port: int
    chat_client: openai.AsyncOpenAI
    message_client: anthropic.AsyncAnthropic
    usual: Mapping[SaleKey, Snapshot]
    payer: Payer = field(init=False)
    spare: list[Payer] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def begin(self) -> None:
        """As if nothing had happened before: a new account with money, healthy providers, no faults."""
        self.script(ANSWER)
        self.simulator.records.clear()
        self.tape.begin()
        health = self.parts.health
        health.take_counts()
        for seen in (health._failures, health._cooling_until, health._latency_ms, self.parts.metrics._requests):
            seen.clear()
        if self.parts.snapshots.current is not self.usual["", 0]:
            self.parts.snapshots.swap(self.usual)
        if not self.spare:
            self.spare = await self._make_payers(_AT_ONCE, "100", KeyRules())
        self.payer = self.spare.pop()

    # The vendors

    def script(self, text: str) -> None:
        """What the vendors do, in the simulator's TOML."""
        self.simulator.set_script(read_script(f"keep_bodies = true\n{text}", form="toml", where="test"))

    def fail(self, *faults: str) -> None:
        """The vendors in their order fail in these ways; "" is an answer."""
        rules = [
            f'[[rules]]\nmatch = {{ path = "/{vendor}/*" }}\nfault = {{ {fault} }}\n'
            for vendor, fault in zip(VENDORS, faults, strict=False)
            if fault
        ]
        self.script(ANSWER + "".join(rules))

    async def seen(self) -> list[SimulatorRecord]:
        """What the vendors have had of us, once all of it is over."""
        await self.simulator.records.settled()
        return self.simulator.requests

    async def called(self) -> list[str]:
        """The vendors that were called, in order."""
        return [record.path.split("/")[1] for record in await self.seen()]

    @property
    def policy(self) -> Policy:
        return self.parts.snapshots.current.policy

    def keep_answers(self) -> None:
        """The exact cache is on, and empty, until the next test."""
        self.parts.caching.exact.memory.clear()
        self.parts.caching.exact.counts.clear()
        self.use_policy(caching(self.policy, exact=True))

    def use_edition(self, name: str) -> None:
        """Until the next test."""
        self.use_policy(load_edition(name))

    def use_policy(self, policy: Policy) -> None:
        snapshots = self.parts.snapshots
        secrets = credential_lookup(self.settings, {})
        snapshots.swap(build_snapshots(snapshots.current.catalog, policy, secrets, self.parts.world.clock))

    # Accounts and keys

    async def new_payer(self, usd: str = "100", rules: KeyRules | None = None) -> Payer:
        """An account with so much money (none at "0") and a key."""
        (payer,) = await self._make_payers(1, usd, rules or KeyRules())
        return payer

    async def new_key(self, account_id: UUID, rules: KeyRules | None = None) -> Payer:
        async with self.harbor.pool.acquire() as conn:
            return await self._add_key(conn, account_id, rules or KeyRules())

    async def _make_payers(self, count: int, usd: str, rules: KeyRules) -> list[Payer]:
        """Many at once: keys are read anew once for all of them."""
        world = self.harbor.context.world
        async with self.harbor.pool.acquire() as conn, conn.transaction():
            emails = [f"{world.ids.new()}@example.com" for _ in range(count)]
            accounts = [await store.create_account(conn, world, email, "token-harbor") for email in emails]
            payers = [await self._add_key(conn, account.id, rules) for account in accounts]
        for payer in payers if usd != "0" else ():
            await self._grant(payer.account_id, Usd.parse(usd))
        return payers

    async def _add_key(self, conn: asyncpg.Connection, account_id: UUID, rules: KeyRules) -> Payer:
        harbor, issued = self.harbor, make_key(self.harbor.context.world.entropy)
        derived = harbor.context.root.derive(SecretPurpose.KEY_HASHES)
        key_id = await store.add_key(
            conn, harbor.context.world, derived, account_id=account_id, key=issued, rules=rules
        )
        return Payer(account_id, key_id, issued.key)

    async def _grant(self, account_id: UUID, amount: Usd) -> None:
        world = self.harbor.context.world
        entry_id, lot_id, now = world.ids.new(), world.ids.new(), world.clock.now()
        credit = Credit(entry_id, lot_id, account_id, Pool.PAID, "operator", amount, now, "test")
        async with self.harbor.pool.acquire() as conn:
            await Wallets(conn).credit(credit)

    async def money(self) -> tuple[str, str]:
        """What the payer can spend and what is held, as the API says it."""
        said = (await self.get("/v1/account/balance")).json()
        return said["balance_usd"], said["held_usd"]

    async def receipt(self, request_id: str) -> Any:
        said = await self.get(f"/v1/requests/{request_id}")
        assert said.status == 200, said.body
        return said.json()

    # Requests

    async def chat(self, model: str = "solo", *, headers: Mapping[str, str] | None = None, **more: Any) -> RawAnswer:
        return await self.post(CHAT, {"model": model, "messages": HELLO, "max_tokens": 100, **more}, headers)

    async def respond(self, model: str = "solo", *, headers: Mapping[str, str] | None = None, **more: Any) -> RawAnswer:
        return await self.post(RESPONSES, {"model": model, "input": HELLO, "max_output_tokens": 100, **more}, headers)

    async def message(self, model: str = "solo", *, headers: Mapping[str, str] | None = None, **more: Any) -> RawAnswer:
        return await self.post(MESSAGES, {"model": model, "messages": HELLO, "max_tokens": 100, **more}, headers)

    async def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> RawAnswer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = self._signed(headers) | {"content-type": "application/json"}
        return await raw.ask(self.port, "POST", path, signed, data)

    async def post_form(self, path: str, body: bytes, headers: Mapping[str, str]) -> RawAnswer:
        return await raw.ask(self.port, "POST", path, self._signed(headers), body)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> RawAnswer:
        return await raw.ask(self.port, "GET", path, self._signed(headers))

    async def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> RawAnswer:
        """Without a key, unless the headers have one."""
        return await raw.ask(self.port, method, path, headers or {})

    def _signed(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        """With the payer's key, unless the headers have one."""
        names = {name.lower() for name in headers or ()}
        key = {} if names & {"authorization", "x-api-key", "x-goog-api-key"} else {"x-api-key": self.payer.key}
        return {**key, **(headers or {})}

    def change_system(self, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        """Connections made from here on find the server's own paths changed."""
        router = self.harbor.server._handler
        assert isinstance(router, PathRouter)
        system = dataclasses.replace(router._handlers.system, **changes)
        monkeypatch.setattr(self.harbor.server, "_handler", PathRouter(self.parts, system))

    def add_routes(self, monkeypatch: pytest.MonkeyPatch, routes: Iterable[PathRoute]) -> None:
        """Connections made from here on find them, too."""
        router = self.harbor.server._handler
        assert isinstance(router, PathRouter)
        more = PathRouter(self.parts, router._handlers.system, (*ROUTES, *routes))
        monkeypatch.setattr(self.harbor.server, "_handler", more)

    def chats(self) -> openai.AsyncOpenAI:
        """OpenAI's library with the payer's key."""
        return self.chat_client.with_options(api_key=self.payer.key)

    def messages(self) -> anthropic.AsyncAnthropic:
        """Anthropic's library with the payer's key."""
        return self.message_client.with_options(api_key=self.payer.key)


@contextlib.asynccontextmanager
async def open_house(folder: Path, database_url: str) -> AsyncIterator[House]:
    """Everything started in this loop and listening."""
    async with contextlib.AsyncExitStack() as stack:
        tape = await stack.enter_async_context(play())
        simulator = await start(real_world(), Script())
        stack.push_async_callback(simulator.stop)
        settings = _settings(folder, database_url, configuration(simulator.url, tape.url))
        harbor = await stack.enter_async_context(open_harbor(settings))
        parts: Dependencies = harbor.server._handler._handlers.dependencies  # type: ignore[attr-defined]
        parts.client._connect = _or_wait(parts.client._connect)
        parts.lingering.seconds = LINGER
        port = await harbor.server.start("127.0.0.1", 0)
        stack.push_async_callback(harbor.server.drain, 0.1)
        url = f"http://127.0.0.1:{port}"
        chats = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="nobody", max_retries=0)
        messages = anthropic.AsyncAnthropic(base_url=url, api_key="nobody", max_retries=0)
        await stack.enter_async_context(chats)
        await stack.enter_async_context(messages)
        house = House(harbor, settings, parts, simulator, tape, port, chats, messages, parts.snapshots.sales)
        house.use_policy(caching(house.policy, exact=False))
        yield dataclasses.replace(house, usual=parts.snapshots.sales)


def caching(policy: Policy, *, exact: bool) -> Policy:
    """The policy with the exact cache on or off. Most tests ask the same twice and mean to be answered twice."""
    return msgspec.structs.replace(policy, cache=msgspec.structs.replace(policy.cache, exact=exact))


def _settings(folder: Path, database_url: str, config: str) -> Settings:
    (folder / "tokenharbor.toml").write_text(config)
    providers = (
        *VENDORS,
        *map(provider_of_wire, PLAYED),
        "taped",
        "dead",
        *(f"quick_{timer}" for timer in TIMERS),
    )
    environ = {_variable(name): credential_of(name) for name in providers}
    return load_settings(
        folder,
        environ=environ
        | {
            "TOKENHARBOR_CONSOLE_ENABLED": "false",
            "TOKENHARBOR_DATABASE_URL": database_url,
            "KEY_OF_SIGNED": f"{SIGNER}:a/secret+key",
        },
    )


def _or_wait(connect: Connector) -> Connector:
    """To one host nobody ever comes through."""

    async def connect_or_wait(origin: Origin, protocol: Callable[[], UpstreamConnection]) -> UpstreamConnection:
        if origin.host == _NOWHERE:
            await asyncio.Event().wait()
        return await connect(origin, protocol)

    return connect_or_wait
