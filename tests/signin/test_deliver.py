"""Mails to users: sent once, retried, kept for the operator without a mail server, and deleted in time."""

from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
import msgspec
import pytest
import structlog
from tests.signin.conftest import HERE, PASSWORD, START, NewUser, mails_to

from tokenharbor.editions.policy import Policy
from tokenharbor.identity.user_mails import MailState, list_mails
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import DeliveryRefused, DeliveryUnavailable
from tokenharbor.kernel.world import World
from tokenharbor.mail.message import Mail
from tokenharbor.mail.smtp import SmtpConfig, SmtpMailer
from tokenharbor.signin import sessions
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.deliver import MOST_TRIES, UserMailDelivery, deliver_mails
from tokenharbor.signin.retention import purge_sign_in
from tokenharbor.signin.sessions import Credentials
from tokenharbor.signin.sign_up import SignUpForm, sign_up

ADA = "ada@example.com"


@dataclass
class Mailer(SmtpMailer):
    """Takes mails, or fails as told."""

    fails: Exception | None = None
    sent: list[Mail] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(SmtpConfig(server="localhost", port=1, tls="off", sender="a@b"))

    async def send(self, mail: Mail) -> None:
        if self.fails is not None:
            raise self.fails
        self.sent.append(mail)


def post(sign_in: SignIn, mailer: SmtpMailer | None) -> UserMailDelivery:
    return UserMailDelivery(world=sign_in.world, acquire=sign_in.acquire, seal=sign_in.mail_seal, mailer=mailer)


async def states(sign_in: SignIn) -> list[tuple[MailState, str]]:
    async with sign_in.acquire() as conn:
        return [(mail.state, mail.fault) for mail in await list_mails(conn, sign_in.mail_seal, 10)]


async def test_a_mail_is_sent_once_and_its_words_are_gone(sign_in: SignIn, conn: asyncpg.Connection) -> None:
    await sign_up(sign_in, SignUpForm(email=ADA, password=PASSWORD), HERE)
    mailer = Mailer()
    assert [await deliver_mails(post(sign_in, mailer)) for _ in range(2)] == [1, 0]
    [mail] = mailer.sent
    assert mail.recipients == (ADA,)
    assert "#" in mail.body
    assert await states(sign_in) == []
    assert await conn.fetchval("select sealed is null from user_mail")


async def test_a_mail_is_kept_where_no_server_is_and_the_log_says_so_without_its_link(sign_in: SignIn) -> None:
    await sign_up(sign_in, SignUpForm(email=ADA, password=PASSWORD), HERE)
    with structlog.testing.capture_logs() as lines:
        await deliver_mails(post(sign_in, None))
    [line] = lines
    assert (line["event"], line["kind"], line["log_level"]) == ("mail_kept", "verify", "warning")
    [body] = await mails_to(sign_in, ADA)
    token = body.partition("#")[2].split()[0]
    assert token not in str(lines)
    assert ADA not in str(lines)
    assert [state for state, _ in await states(sign_in)] == [MailState.KEPT]


async def test_a_mail_is_tried_again_and_given_up(sign_in: SignIn, clock: ManualClock) -> None:
    await sign_up(sign_in, SignUpForm(email=ADA, password=PASSWORD), HERE)
    mailer = Mailer(fails=DeliveryUnavailable("not now"))
    for number in range(MOST_TRIES):
        assert await deliver_mails(post(sign_in, mailer)) == 1
        assert await deliver_mails(post(sign_in, mailer)) == 0, "not at once"
        state = MailState.WAITING if number < MOST_TRIES - 1 else MailState.FAILED
        assert await states(sign_in) == [(state, "not now")]
        clock.advance(timedelta(minutes=15))
    assert await deliver_mails(post(sign_in, mailer)) == 0


async def test_a_mail_that_is_refused_is_not_tried_again(sign_in: SignIn, clock: ManualClock) -> None:
    await sign_up(sign_in, SignUpForm(email=ADA, password=PASSWORD), HERE)
    await deliver_mails(post(sign_in, Mailer(fails=DeliveryRefused("no such mailbox"))))
    assert await states(sign_in) == [(MailState.FAILED, "no such mailbox")]


@pytest.mark.parametrize(("stated", "kept_days"), [(0, 30), (7, 7), (365, 30)])
async def test_addresses_mails_and_unfinished_sign_ups_are_not_kept(
    sign_in: SignIn,
    new_user: NewUser,
    conn: asyncpg.Connection,
    world: World,
    clock: ManualClock,
    policy: Policy,
    stated: int,
    kept_days: int,
) -> None:
    edition = msgspec.structs.replace(policy, retention=msgspec.structs.replace(policy.retention, metadata_days=stated))
    ada = await new_user(ADA)
    await sessions.sign_out(sign_in, ada.token)
    await sign_up(sign_in, SignUpForm(email="bob@example.com", password=PASSWORD), HERE)
    await conn.execute(
        "insert into account_change (id, user_id, at, actor, field, before, after, address)"
        " values (gen_random_uuid(), $1, $2, '', '', '', '', '192.0.2.7')",
        ada.user.id,
        START,
    )
    tables = ("user_session", "sign_in_token", "user_mail", "sign_in_attempt", "app_user")
    clock.advance(timedelta(days=kept_days - 1))
    await purge_sign_in(conn, world, edition)
    assert [await conn.fetchval(f"select count(*) > 0 from {table}") for table in tables[:3]] == [True] * 3  # noqa: S608
    clock.advance(timedelta(days=3))
    await purge_sign_in(conn, world, edition)
    left = [await conn.fetchval(f"select count(*) from {table}") for table in tables]  # noqa: S608
    assert left == [0, 0, 0, 0, 1], "who has shown that the e-mail is theirs stays"
    assert await conn.fetchval("select address is null from account_change") == (0 < stated < 31)
    await sessions.sign_in_with_password(sign_in, Credentials(email=ADA, password=PASSWORD), HERE)
