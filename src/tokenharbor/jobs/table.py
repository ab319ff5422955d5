"""The table of jobs: the name, period and function of each."""

from dataclasses import asdict
from datetime import timedelta

import asyncpg
import structlog

from tokenharbor.accounts.volume import place_volumes
from tokenharbor.alerts.deliver import deliver_due
from tokenharbor.alerts.find import find_notices
from tokenharbor.alerts.model_changes import find_model_changes, purge_model_notices
from tokenharbor.billing.proofs import SIGNED_EVERY
from tokenharbor.db.each_row import EachRow
from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.funding.auto import top_up_low_accounts
from tokenharbor.funding.events import handle_events, sweep_events
from tokenharbor.funding.sweep import (
    sweep_disputes,
    sweep_refunds,
    sweep_top_ups,
    sweep_withdrawals,
)
from tokenharbor.jobs.job import Job, JobContext
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World
from tokenharbor.ledger.lapsed import free_lapsed_runs
from tokenharbor.ledger.purge import PurgedRows, purge_requests
from tokenharbor.ledger.refused_calls import KEPT_DAYS, purge_refused_calls
from tokenharbor.ledger.rollup import roll_up_all, roll_up_busy, roll_up_each
from tokenharbor.ledger.sign import sign_books
from tokenharbor.rewards.idle import run_idle
from tokenharbor.signin.deliver import deliver_mails
from tokenharbor.signin.retention import purge_sign_in

_log = structlog.get_logger("jobs")


async def sign_new_entries(pool: asyncpg.Pool, world: World, signer: MessageSigner) -> None:
    """Sign a root over the entries since the last one, unless another process is signing."""
    async with pool.acquire() as conn:
        signed = await sign_books(conn, world, signer, wait=False)
    for fault in signed.faults:
        _log.error("account_not_signed", reason=fault)


async def _sign(context: JobContext) -> None:
    await sign_new_entries(context.pool, context.world, context.signer)


async def _make_partitions(context: JobContext) -> None:
    """Make the partitions of the days ahead."""
    async with context.pool.acquire() as conn:
        await ensure_partitions(conn, context.world.clock.now())


async def _poll_videos(context: JobContext) -> None:
    await context.poll_videos()


async def _free_lapsed(context: JobContext) -> None:
    await free_lapsed_runs(context.pool)


async def _give_up(context: JobContext) -> None:
    await context.give_up()


async def _place_volumes(context: JobContext) -> None:
    tiers = context.policy().price.volume_tiers
    async with context.pool.acquire() as conn:
        await place_volumes(conn, context.world, [tier.threshold for tier in tiers])


async def _follow_payments(context: JobContext) -> None:
    """Handle events of processors, and check the top-ups, refunds, disputes and withdrawals that are due."""
    work = (
        handle_events,
        sweep_top_ups,
        sweep_refunds,
        sweep_disputes,
        sweep_withdrawals,
    )
    while any([await each(context.funding) for each in work]):
        pass


async def _sweep_processors(context: JobContext) -> None:
    await sweep_events(context.funding)


async def _top_up_automatically(context: JobContext) -> None:
    await top_up_low_accounts(context.funding)


async def _find_alerts(context: JobContext) -> None:
    await find_notices(context.alerting)


async def _find_model_changes(context: JobContext) -> None:
    await find_model_changes(context.alerting, context.catalog())


async def _deliver_notices(context: JobContext) -> None:
    while await deliver_due(context.alerting):
        pass


async def _deliver_user_mails(context: JobContext) -> None:
    while await deliver_mails(context.mail_delivery):
        pass


async def _purge_sign_in(context: JobContext) -> None:
    async with context.pool.acquire() as conn:
        await purge_sign_in(conn, context.world, context.policy())


async def _purge_refused_calls(context: JobContext) -> None:
    """Purge after KEPT_DAYS, or earlier if the edition keeps metadata for less."""
    days = min(KEPT_DAYS, context.policy().retention.metadata_days or KEPT_DAYS)
    await purge_refused_calls(context.pool, context.world.clock.now() - timedelta(days=days))


async def _run_rewards(context: JobContext) -> None:
    await run_idle(context.pool, context.world, context.policy())


async def _roll_up_usage(context: JobContext) -> None:
    await roll_up_all(context.pool)


async def _roll_up_busy(context: JobContext) -> None:
    await roll_up_busy(context.pool)


async def _purge_metadata(context: JobContext) -> None:
    """Purge what the edition no longer keeps. If an account cannot be summed up, only its own rows stay."""
    days = context.policy().retention.metadata_days
    if not days:
        return
    before = context.world.clock.now() - timedelta(days=days)
    each = EachRow("metadata_purge")
    await roll_up_each(context.pool, each)
    async with context.pool.acquire() as conn:
        purged = await purge_requests(conn, before)
        notices = await purge_model_notices(conn, before)
    if notices or purged != PurgedRows(0, 0, 0):
        _log.info("metadata_purged", **asdict(purged), notices=notices)
    each.end()


JOBS = (
    Job("lapsed", timedelta(seconds=1), _free_lapsed),
    Job("journal_grace", timedelta(minutes=1), _give_up),
    Job("signed_roots", SIGNED_EVERY, _sign),
    Job("partitions", timedelta(hours=1), _make_partitions),
    Job("videos", timedelta(minutes=1), _poll_videos),
    Job("volume_tiers", timedelta(seconds=10), _place_volumes),
    Job("payments", timedelta(seconds=2), _follow_payments),
    Job("processor_events", timedelta(hours=1), _sweep_processors),
    Job("auto_topup", timedelta(seconds=5), _top_up_automatically),
    Job("alerts", timedelta(minutes=1), _find_alerts),
    Job("model_changes", timedelta(hours=6), _find_model_changes),
    Job("alert_delivery", timedelta(seconds=5), _deliver_notices),
    Job("user_mails", timedelta(seconds=2), _deliver_user_mails),
    Job("sign_in_purge", timedelta(hours=1), _purge_sign_in),
    Job("refused_calls_purge", timedelta(hours=1), _purge_refused_calls),
    Job("rewards", timedelta(minutes=1), _run_rewards),
    Job("usage_totals", timedelta(hours=1), _roll_up_usage),
    Job("busy_usage_totals", timedelta(seconds=10), _roll_up_busy),
    Job("metadata_purge", timedelta(hours=1), _purge_metadata),
)
