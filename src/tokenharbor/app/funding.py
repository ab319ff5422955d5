"""Payments in a process: the configured processors or the pretended one, under the edition in force."""

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
    """The parts of payments that differ between a server and a command. `is_charged` tells whether a provider with a
    credential charges us; `public_url` is the server's URL for browsers.
    """

    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    policy: Callable[[], Policy]
    report: Report
    hooks: CreditHooks
    is_charged: Callable[[], bool]
    public_url: str


@contextlib.asynccontextmanager
async def open_funding(
    settings: Settings, world: World, root: RootSecret, parts: FundingParts
) -> AsyncIterator[Funding]:
    """Open the processors; close them on exit. Raises Misconfigured."""
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
    """Open payments for a command, on its one connection. It prints alarms itself. Raises Misconfigured."""
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
    """Return a copy with the pretended processor added even if others are configured, to take back its credit."""
    stand_in = PretendedProcessor(funding.world.clock)
    processors = {**funding.processors, stand_in.name: stand_in}
    return replace(funding, processors=processors, pretended=frozenset({stand_in.name}), may_pretend=lambda: True)


def may_pretend(settings: Settings, stored: Mapping[str, str]) -> bool:
    """Return whether payments may be pretended under these settings and stored credentials. Raises Misconfigured."""
    if _is_stated(settings):
        return False
    return bool(settings.processors["pretended"].enabled) or not _is_charged(settings, stored)


def _is_charged(settings: Settings, stored: Mapping[str, str]) -> bool:
    secret_of = credential_lookup(settings, stored)
    return any(charges(each) and secret_of(each) is not None for each in read_catalog(settings).providers.values())


def charges(provider: Provider) -> bool:
    """Return whether a provider charges us: all do except the built-in one and those without credentials."""
    return provider.auth != "none" and not provider.builtin


def _pretended(settings: Settings, processors: Mapping[str, Processor], world: World) -> Mapping[str, Processor]:
    """Return the pretended processor, by its name, if no real processor is configured.

    A processor whose secret is missing counts as configured: pretended credit beside it would buy real answers.
    """
    if processors or _is_stated(settings):
        return {}
    stand_in = PretendedProcessor(world.clock)
    return {stand_in.name: stand_in}


def _is_stated(settings: Settings) -> bool:
    """Return whether a real processor is configured, even without its secrets."""
    stated = (getattr(settings.processors[name], reference) for name, reference in REFERENCES)
    return bool(settings.processors["manual"].enabled) or any(reference is not None for reference in stated)
