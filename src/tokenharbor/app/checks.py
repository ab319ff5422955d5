"""The checks of `doctor`, each with a message of one line and a fix."""

import asyncio
import os
import shutil
import stat
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tokenharbor.app.alerts import make_mailer
from tokenharbor.app.caching import stated_url
from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.funding import may_pretend
from tokenharbor.app.secrets import SECRET_FILE, credential_lookup, credential_seal, root_secret
from tokenharbor.app.session import connect_for_command, missing_parts, no_home_error
from tokenharbor.app.settings import Settings
from tokenharbor.cache.redis_check import RedisRefusal, read_persistence
from tokenharbor.cache.redis_url import read_redis_url
from tokenharbor.catalog.types import Provider
from tokenharbor.db.errors import in_one_line
from tokenharbor.db.fingerprint import check_fingerprint
from tokenharbor.db.migrate import pending, read_migrations
from tokenharbor.editions.load import load_edition
from tokenharbor.funding.store import list_pretended
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import HarborError, Misconfigured
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World
from tokenharbor.upstream.signers import make_signer

_LEAST_BYTES = 1 << 30
_REACH_SECONDS = 3
_OURS = (SECRET_FILE, "postgres", "tokenharbor.toml")
_CLOCK_SLACK = timedelta(minutes=1)
_RESTORE = "restore it from a backup; a new Token Harbor gets one from tokenharbor serve"
_NEWEST = "select id from {} order by id desc limit 1"


class CheckState(StrEnum):
    """The result of a check."""

    OK = "ok"
    OFF = "off"  # not in use; not a failure
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """A check's name, result, message, and fix."""

    check: str
    state: CheckState
    message: str
    fix: str = ""


async def run_checks(settings: Settings, world: World) -> list[Check]:
    """Run all checks, in order, without creating anything. A failure is a check with state BAD, not an exception.

    Raises Misconfigured if HOME holds no file of ours.
    """
    missing = missing_parts(settings)
    if missing and not any((settings.home / name).exists() for name in _OURS):
        raise no_home_error(settings, f"it has none of {', '.join(_OURS)}")
    checks = [_check_configuration(settings), *_check_home(settings.home)]
    root = _check_root_secret(settings, world, missing, checks)
    stored: Mapping[str, str] = {}
    if "postgres/data" in missing:
        checks.append(Check("database", CheckState.BAD, f"{settings.home}/postgres/data is missing", _RESTORE))
    else:
        found, stored = await _check_database(settings, world, root)
        checks += found
    checks += [await _check_redis(settings), _check_mail(settings)]
    checks += await _check_providers(settings, stored, world)
    return checks


def _check_root_secret(
    settings: Settings, world: World, missing: Collection[str], checks: list[Check]
) -> RootSecret | None:
    """Return the root secret, None if it is missing or invalid, and append its check."""
    source = settings.server.secret or str(settings.home / SECRET_FILE)
    if SECRET_FILE in missing:
        checks.append(Check("root secret", CheckState.BAD, f"{source} is missing", _RESTORE))
        return None
    try:
        root = root_secret(settings, world.entropy)
    except HarborError as error:
        checks.append(Check("root secret", CheckState.BAD, in_one_line(error)))
        return None
    checks.append(Check("root secret", CheckState.OK, f"{source}, for its owner only"))
    return root


def _check_configuration(settings: Settings) -> Check:
    try:
        policy = load_edition(settings.edition)
    except HarborError as error:
        return Check("configuration", CheckState.BAD, in_one_line(error), "correct it")
    source = str(settings.file) if settings.file.exists() else f"no {settings.file}, so defaults apply"
    return Check("configuration", CheckState.OK, f"{source}; edition {policy.name}")


def _check_home(home: Path) -> Iterator[Check]:
    found = home.stat() if home.exists() else None
    if found is None or not stat.S_ISDIR(found.st_mode) or not os.access(home, os.W_OK | os.X_OK):
        yield Check(
            "home", CheckState.BAD, f"{home} is not writable", "choose another with --home, or: mkdir -p, chown"
        )
        return
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Check("permissions", CheckState.BAD, f"others may write to {home}", f"chmod go-w {home}")
    else:
        yield Check("permissions", CheckState.OK, f"only its owner may write to {home}")
    free = shutil.disk_usage(home).free
    state = CheckState.OK if free >= _LEAST_BYTES else CheckState.BAD
    fix = "" if state is CheckState.OK else f"free at least {_LEAST_BYTES >> 20} MiB"
    yield Check("disk", state, f"{free >> 20} MiB free", fix)


async def _check_database(
    settings: Settings, world: World, root: RootSecret | None
) -> tuple[list[Check], Mapping[str, str]]:
    """Return the checks of the database, and the credentials stored in it by provider."""
    checks: list[Check] = []
    stored: Mapping[str, str] = {}
    try:
        async with connect_for_command(settings) as (_, conn):
            checks += [check async for check in _check_schema(conn, root)]
            if all(check.state is CheckState.OK for check in checks):
                checks.append(await _check_clock(conn, world.clock.now()))
            if root is not None and all(check.state is CheckState.OK for check in checks):
                stored = await read_credentials(conn, credential_seal(root, world.entropy))
                checks.append(await _check_pretended(conn, settings, stored))
    except (HarborError, OSError, asyncpg.PostgresError) as error:
        checks.append(Check("database", CheckState.BAD, in_one_line(error), "check that it runs, and read its log"))
    return checks, stored


async def _check_schema(conn: asyncpg.Connection, root: RootSecret | None) -> AsyncIterator[Check]:
    version = conn.get_server_version()
    yield Check("database", CheckState.OK, f"PostgreSQL {version.major}.{version.minor} answers")
    migrations = read_migrations()
    lacking = await pending(conn, migrations)
    if lacking:
        message = f"{len(lacking)} of {len(migrations)} not applied"
        yield Check("migrations", CheckState.BAD, message, "start tokenharbor serve, which applies them")
        return
    yield Check("migrations", CheckState.OK, f"all {len(migrations)} applied")
    if root is not None:
        await check_fingerprint(conn, root.fingerprint)


async def _check_clock(conn: asyncpg.Connection, now: datetime) -> Check:
    """Compare the clock with the database's, and with the newest ids: an id from the future means that the clock was
    set back. A clock that is ahead expires credit early, for good.
    """
    newest = [await conn.fetchval(_NEWEST.format(table)) for table in ("request", "entry", "api_key", "account")]
    latest = max((ids.made_at(each) for each in newest if each is not None), default=now)
    if latest > now + _CLOCK_SLACK:
        return Check(
            "clock", CheckState.BAD, f"{latest - now} behind the newest row", "set the clock, preferably by NTP"
        )
    skew = abs(await conn.fetchval("SELECT clock_timestamp()") - now)
    if skew > _CLOCK_SLACK:
        return Check("clock", CheckState.BAD, f"{skew} from the database's clock", "set both clocks, preferably by NTP")
    return Check("clock", CheckState.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC, as the database says, and later than every row")


async def _check_pretended(conn: asyncpg.Connection, settings: Settings, stored: Mapping[str, str]) -> Check:
    """Find credit of pretended payments that is left although a real processor or a charging provider is configured."""
    found = await list_pretended(conn)
    if not found:
        return Check("pretended credit", CheckState.OK, "none")
    left, accounts = Usd(sum(each.left for each in found)), {each.account_id for each in found}
    places = "1 account" if len(accounts) == 1 else f"{len(accounts)} accounts"
    message = f"{left} USD of pretended payments on {places}"
    if may_pretend(settings, stored):
        return Check("pretended credit", CheckState.OFF, message)
    fix = "tokenharbor topups forget-pretended"
    return Check("pretended credit", CheckState.BAD, f"{message}; providers charge us for its use", fix)


async def _check_redis(settings: Settings) -> Check:
    if settings.redis.url is None:
        return Check("redis", CheckState.OFF, "each gateway process has its own cache")
    try:
        address = read_redis_url(stated_url(settings))
        persists = await read_persistence(address)
    except Misconfigured as error:
        return Check("redis", CheckState.BAD, in_one_line(error), "correct [redis] url")
    except (OSError, TimeoutError, RedisRefusal) as error:
        return Check("redis", CheckState.BAD, f"unreachable: {in_one_line(error)}", "start it, or remove [redis] url")
    if persists:
        fix = f"set {' and '.join(persists)} in its configuration: cached answers must not reach a disk"
        return Check("redis", CheckState.BAD, f"{address.shown} writes its data to disk", fix)
    return Check("redis", CheckState.OK, f"{address.shown}, in memory only")


def _check_mail(settings: Settings) -> Check:
    if settings.mail.server is None:
        return Check("mail", CheckState.OFF, "no mail server configured", "set server and sender in [mail]")
    try:
        make_mailer(settings)
    except HarborError as error:
        return Check("mail", CheckState.BAD, in_one_line(error), "set it")
    message = f"{settings.mail.server}:{settings.mail.port}; to send a test: tokenharbor alerts test ACCOUNT"
    return Check("mail", CheckState.OK, message)


async def _check_providers(settings: Settings, stored: Mapping[str, str], world: World) -> list[Check]:
    try:
        catalog = read_catalog(settings)
        find = credential_lookup(settings, stored)
        return list(
            await asyncio.gather(*(_check_provider(each, find(each), world) for each in catalog.providers.values()))
        )
    except HarborError as error:
        return [Check("providers", CheckState.BAD, in_one_line(error), "correct it")]


async def _check_provider(provider: Provider, secret: str | None, world: World) -> Check:
    name = f"provider {provider.name}"
    url = urlsplit(provider.base_url)
    host = url.hostname or ""
    if provider.auth != "none" and secret is None:
        variable = (provider.credential or "").removeprefix("env:")
        how = f"set {variable}, or: " if provider.credential and provider.credential.startswith("env:") else ""
        fix = f"{how}tokenharbor providers set {provider.name} --credential-stdin"
        return Check(name, CheckState.OFF, "no credential", fix)
    try:
        make_signer(provider, secret, world.clock)
    except Misconfigured as error:
        return Check(name, CheckState.BAD, in_one_line(error), "correct it")
    if provider.builtin:
        return Check(name, CheckState.OK, "built in, runs with the server")
    try:
        async with asyncio.timeout(_REACH_SECONDS):
            _, writer = await asyncio.open_connection(host, url.port or (443 if url.scheme == "https" else 80))
    except (OSError, TimeoutError) as error:
        message = f"{host} cannot be reached: {in_one_line(error)}"
        return Check(name, CheckState.BAD, message, "check the network, DNS and firewall")
    writer.close()
    return Check(name, CheckState.OK, f"{host} answers")
