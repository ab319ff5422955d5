"""The way to payments of a process: its processors as configured, or the pretended one, and the edition in force."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import asyncpg

from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.secrets import credential_lookup, credential_seal
from tokenharbor.app.server_url import command_browser_url
from tokenharbor.app.session import CommandSession
from tokenharbor.app.settings import Settings
from tokenharbor.catalog.types import Provider
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.funding.context import CreditHooks, Funding, Report
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.kernel.secret import RootSecret, SecretPurpose
from tokenharbor.kernel.world import World
from tokenharbor.payments.pretended import PretendedProcessor
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.reading import instrument_hasher
from tokenharbor.payments.registry import REFERENCES, make_processors
from tokenharbor.rewards.hooks import RewardHooks


@dataclass(frozen=True, slots=True)
class FundingParts:
    """What differs between a server and a command: connections, the edition and the providers in force, who is told,
    and where browsers find us.
    """

    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    policy: Callable[[], Policy]
    report: Report
    hooks: CreditHooks
    is_charged: Callable[[], bool]  # whether a provider is ready that charges us for what credit buys
    public_url: str


@contextlib.asynccontextmanager
async def open_funding(
    settings: Settings, world: World, root: RootSecret, parts: FundingParts
) -> AsyncIterator[Funding]:
    """Processors are closed at the end. Raises Misconfigured."""
    hasher = instrument_hasher(root.derive(SecretPurpose.INSTRUMENTS).secret)
    processors = dict(make_processors(settings.processors, settings.secret, world.clock, hasher))
    pretended = _pretended(settings, processors, world)
    processors |= pretended
    try:
        yield Funding(
            world=world,
            processors=processors,
            pretended=frozenset(pretended),
            may_pretend=lambda: settings.processors["pretended"].enabled or not parts.is_charged(),
            policy=parts.policy,
            acquire=parts.acquire,
            public_url=parts.public_url,
            report=parts.report,
            hooks=parts.hooks,
        )
    finally:
        for processor in processors.values():
            await processor.close()


@contextlib.asynccontextmanager
async def open_command_funding(session: CommandSession) -> AsyncIterator[Funding]:
    """Of a command, on its one connection; alarms are in what it prints. Raises Misconfigured."""
    policy = load_edition(session.settings.edition)
    stored = await read_credentials(session.conn, credential_seal(session.root, session.world.entropy))
    is_charged = _is_charged(session.settings, stored)
    parts = FundingParts(
        lambda: contextlib.nullcontext(session.conn),
        lambda: policy,
        lambda *_: None,
        RewardHooks(session.world, lambda: policy),
        lambda: is_charged,
        command_browser_url(session.settings),
    )
    async with open_funding(session.settings, session.world, session.root, parts) as funding:
        yield funding


def with_pretended(funding: Funding) -> Funding:
    """The same with the pretended processor, whatever is configured: to take back what it gave."""
    stand_in = PretendedProcessor(funding.world.clock)
    processors = {**funding.processors, stand_in.name: stand_in}
    return replace(funding, processors=processors, pretended=frozenset({stand_in.name}), may_pretend=lambda: True)


def may_pretend(settings: Settings, stored: Mapping[str, str]) -> bool:
    """Whether payments are pretended as things are configured, with these credentials in the database. Raises
    Misconfigured.
    """
    if _is_stated(settings):
        return False
    return bool(settings.processors["pretended"].enabled) or not _is_charged(settings, stored)


def _is_charged(settings: Settings, stored: Mapping[str, str]) -> bool:
    secret_of = credential_lookup(settings, stored)
    return any(charges(each) and secret_of(each) is not None for each in read_catalog(settings).providers.values())


def charges(provider: Provider) -> bool:
    """Whether a provider sends us a bill: not the built-in one, nor one that asks for no credential."""
    return provider.auth != "none" and not provider.builtin


def _pretended(settings: Settings, processors: Mapping[str, Processor], world: World) -> Mapping[str, Processor]:
    """What stands in where no processor is configured: not beside one by which real money comes in, and not for one
    whose secret is missing, since its credit buys what vendors charge us for.
    """
    if processors or _is_stated(settings):
        return {}
    stand_in = PretendedProcessor(world.clock)
    return {stand_in.name: stand_in}


def _is_stated(settings: Settings) -> bool:
    """Whether a processor by which real money comes in is configured, with its secrets or without."""
    stated = (getattr(settings.processors[name], reference) for name, reference in REFERENCES)
    return bool(settings.processors["manual"].enabled) or any(reference is not None for reference in stated)
