"""The undo of an e-mail change ends all access that a thief of a session created since one day before it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import asyncpg
import msgspec
import pyotp
import pytest
from tests.db.waiting import wait_until_held_up
from tests.signin.conftest import HERE, PASSWORD, ROOMS, NewUser, link_to
from tests.signin.test_change_email import ADA, BOB, NEW, NEWER, OTHER, ask, change
from tests.signin.test_team import DERIVED, account_of, actor_of, issue, join, roles_of
from tests.signin.test_theft import VERIFIER, consent_of

from tokenharbor.accounts.keys import issue_key
from tokenharbor.catalog.load import load_catalog
from tokenharbor.editions.policy import Policy
from tokenharbor.identity import members, store
from tokenharbor.identity.changes import lock_account, read_changes, set_actor
from tokenharbor.identity.management_keys import find_management_key
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.store import KeyRules
from tokenharbor.identity.users import lock_user
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Rejected, SignInRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.signin import connect, profile, team
from tokenharbor.signin.change_email import confirm_change, preview_undo, undo_change
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.records import Actor
from tokenharbor.signin.retention import purge_sign_in
from tokenharbor.signin.sessions import Credentials, NewSession, sign_in_with_password
from tokenharbor.signin.sign_up import replace_password
from tokenharbor.signin.undo import BEFORE, Undone, UndoneKind
from tokenharbor.wire import PROVIDER_DIALECTS

MALLORY, EVE = "mallory@example.com", "eve@example.com"
Role = AccountRole
Kind = UndoneKind


@dataclass
class House:
    """Ada's account, and what is done in it."""

    sign_in: SignIn
    conn: asyncpg.Connection
    clock: ManualClock
    ada: NewSession
    account_id: UUID

    @property
    def owner(self) -> Actor:
        return actor_of(self.ada, Role.OWNER)

    async def key(self, actor: Actor) -> UUID:
        """An API key that somebody makes, as the console does."""
        async with self.conn.transaction():
            await set_actor(self.conn, actor.id, "192.0.2.7", self.clock.now())
            catalog = load_catalog({}, PROVIDER_DIALECTS)
            made = await issue_key(
                self.conn,
                self.sign_in.world,
                DERIVED,
                account_id=self.account_id,
                rules=KeyRules(name=f"of {actor.role}"),
                catalog=catalog,
            )
        return made.id

    async def in_force(self) -> set[UUID]:
        return {each.id for each in await store.list_keys(self.conn, self.account_id) if each.revoked_at is None}

    async def undo(self, link: str) -> Sequence[tuple[Kind, str]]:
        told = await undo_change(self.sign_in, link, OTHER, HERE, ROOMS)
        return sorted((each.kind, each.name) for each in told)

    async def let_in(self, new_user: NewUser, email: str, role: Role, by: Actor) -> Actor:
        """Somebody who has an account joins by an invitation."""
        guest = await new_user(email)
        await team.invite(self.conn, self.sign_in, self.account_id, email, role, actor=by)
        await team.accept_invitation(self.sign_in, await link_to(self.sign_in, email), HERE)
        return actor_of(guest, role)


@pytest.fixture
async def house(sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, clock: ManualClock) -> House:
    ada = await new_user(ADA)
    return House(sign_in, conn, clock, ada, await account_of(conn, ada))


async def test_what_was_made_since_a_day_before_ends_and_what_is_older_stays(house: House) -> None:
    old = await house.key(house.owner)
    old_mkey = await issue(house.sign_in, house.account_id, Role.ADMIN, house.owner)
    house.clock.advance(BEFORE + timedelta(minutes=1))
    before = await house.key(house.owner)
    house.clock.advance(timedelta(hours=23))
    await ask(house.sign_in, house.ada)
    undo = await link_to(house.sign_in, ADA)
    thiefs = await issue(house.sign_in, house.account_id, Role.ADMIN, house.owner)
    by_key = Actor(id=thiefs.key.shown_id, role=Role.ADMIN, maker_id=house.ada.user.id)
    again = await issue(house.sign_in, house.account_id, Role.ADMIN, by_key)
    later = await house.key(by_key)
    assert await house.in_force() == {old, before, later}
    assert await house.undo(undo) == [
        (Kind.KEY, "of admin"), (Kind.KEY, "of owner"), (Kind.MANAGEMENT_KEY, "ci"), (Kind.MANAGEMENT_KEY, "ci"),
    ]  # fmt: skip
    assert await house.in_force() == {old}
    for each, found in ((thiefs, False), (again, False), (old_mkey, True)):
        key = await find_management_key(house.conn, DERIVED, each.secret, house.clock.now())
        assert (key is not None) == found
    log = await read_changes(house.conn, house.account_id)
    assert {each.subject for each in log if each.field == "key.revoked_at"} == {
        ids.show("key", before), ids.show("key", later),
    }  # fmt: skip
    assert {(each.actor, each.address) for each in log if each.field == "key.revoked_at"} == {
        (house.ada.user.shown_id, HERE.address)
    }
    assert (log[-1].field, log[-1].after, log[-1].subject) == ("email_undo", "4", house.ada.user.shown_id)


async def test_nobody_whom_the_thief_let_in_is_in_nor_whom_they_let_in(house: House, new_user: NewUser) -> None:
    """Mallory is the thief too: made an owner, who throws Ada out."""
    bob = await house.let_in(new_user, BOB, Role.DEVELOPER, house.owner)
    house.clock.advance(BEFORE + timedelta(minutes=1))
    await change(house.sign_in, house.ada)
    undo = await link_to(house.sign_in, ADA)
    mallory = await house.let_in(new_user, MALLORY, Role.OWNER, house.owner)
    eve = await house.let_in(new_user, EVE, Role.ADMIN, mallory)
    eves = await house.key(eve)
    bobs = await house.key(bob)
    await team.remove_member(house.conn, house.sign_in.world, house.account_id, house.ada.user.id, actor=mallory)
    assert "ada" not in await roles_of(house.conn, house.account_id)
    told = await house.undo(undo)
    assert told == [(Kind.KEY, "of admin"), (Kind.MEMBER, EVE), (Kind.MEMBER, MALLORY), (Kind.ROLE, ADA)]
    assert await roles_of(house.conn, house.account_id) == {"ada": "owner", "bob": "developer"}
    assert await house.in_force() == {bobs}
    assert eves not in await house.in_force()


@pytest.mark.parametrize("leaves", [True, False])
async def test_an_account_that_the_thief_left_to_another_is_the_users_again(
    house: House, new_user: NewUser, leaves: bool
) -> None:
    await ask(house.sign_in, house.ada)
    undo = await link_to(house.sign_in, ADA)
    await house.let_in(new_user, MALLORY, Role.OWNER, house.owner)
    if leaves:
        await team.remove_member(
            house.conn, house.sign_in.world, house.account_id, house.ada.user.id, actor=house.owner
        )
    else:
        await team.change_member(
            house.conn, house.sign_in.world, house.account_id, house.ada.user.id, Role.VIEWER, actor=house.owner
        )
    await house.undo(undo)
    assert await roles_of(house.conn, house.account_id) == {"ada": "owner"}


async def test_who_left_a_team_by_themselves_or_was_thrown_out_of_it_comes_back_by_no_undo(
    house: House, new_user: NewUser
) -> None:
    """Else anybody who left would have a way back in."""
    bob, eve = await new_user(BOB), await new_user(EVE)
    for each in (bob, eve):
        await join(house.sign_in, house.account_id, each, Role.ADMIN)
        await ask(house.sign_in, each, f"new-{each.user.email}")
    undos = [await link_to(house.sign_in, each.user.email) for each in (bob, eve)]
    for each, actor in ((bob, actor_of(bob, Role.ADMIN)), (eve, house.owner)):
        await team.remove_member(house.conn, house.sign_in.world, house.account_id, each.user.id, actor=actor)
    for undo in undos:
        await house.undo(undo)
    assert await roles_of(house.conn, house.account_id) == {"ada": "owner"}


async def test_a_role_that_the_thief_raised_is_as_before_but_not_one_that_somebody_else_gave_since(
    house: House, new_user: NewUser
) -> None:
    bob, eve = await new_user(BOB), await new_user(EVE)
    for each in (bob, eve):
        await join(house.sign_in, house.account_id, each, Role.VIEWER)
    other = await join(house.sign_in, house.account_id, await new_user(NEWER), Role.OWNER)
    await ask(house.sign_in, house.ada)
    undo = await link_to(house.sign_in, ADA)
    world = house.sign_in.world
    for user_id, role, actor in (
        (bob.user.id, Role.OWNER, house.owner),
        (eve.user.id, Role.ADMIN, house.owner),
        (eve.user.id, Role.BILLING, other),
    ):
        await team.change_member(house.conn, world, house.account_id, user_id, role, actor=actor)
    assert await house.undo(undo) == [(Kind.ROLE, BOB)]
    assert await roles_of(house.conn, house.account_id) == {
        "ada": "owner", "byron": "owner", "bob": "viewer", "eve": "billing",
    }  # fmt: skip


async def test_invitations_and_consents_that_nobody_has_used_open_nothing(house: House) -> None:
    await ask(house.sign_in, house.ada)
    undo = await link_to(house.sign_in, ADA)
    thiefs = await issue(house.sign_in, house.account_id, Role.ADMIN, house.owner)
    by_key = Actor(id=thiefs.key.shown_id, role=Role.ADMIN, maker_id=house.ada.user.id)
    invitations = []
    for email, actor in ((MALLORY, house.owner), (EVE, by_key)):
        await team.invite(house.conn, house.sign_in, house.account_id, email, Role.ADMIN, actor=actor)
        invitations.append(await link_to(house.sign_in, email))
    consent = await consent_of(house.sign_in, house.account_id, by_key)
    assert (Kind.INVITATION, MALLORY) in await house.undo(undo)
    assert await members.list_invitations(house.conn, house.account_id, house.clock.now()) == []
    for invitation in invitations:
        with pytest.raises(Rejected, match="used or has expired"):
            await team.accept_invitation(house.sign_in, invitation, HERE, password=PASSWORD)
    with pytest.raises(Rejected, match="refused"):
        await connect.take_connection(house.conn, house.sign_in, consent, VERIFIER)


async def test_an_app_of_just_before_and_recovery_codes_of_since_pass_nobody_by(house: House) -> None:
    secret = (await profile.set_up_totp(house.sign_in, house.ada.user, PASSWORD)).secret
    totp = pyotp.TOTP(secret)
    await profile.confirm_totp(house.sign_in, house.ada.user, totp.at(house.clock.now()), HERE)
    house.clock.advance(BEFORE + timedelta(minutes=1))
    await ask(house.sign_in, house.ada, code=totp.at(house.clock.now()))
    undo = await link_to(house.sign_in, ADA)
    house.clock.advance(timedelta(minutes=1))
    user = replace(house.ada.user, totp_at=house.clock.now())
    codes = await profile.remake_recovery_codes(
        house.sign_in, user, password=PASSWORD, code=totp.at(house.clock.now()), visitor=HERE
    )
    await house.undo(undo)
    house.clock.advance(timedelta(minutes=1))
    shown = Credentials(email=ADA, password=OTHER, code=codes[0])
    with pytest.raises(SignInRefused, match="code"):
        await sign_in_with_password(house.sign_in, shown, HERE)
    await sign_in_with_password(house.sign_in, replace(shown, code=totp.at(house.clock.now())), HERE)


async def test_an_app_that_was_set_up_just_before_the_request_is_asked_for_no_more(house: House) -> None:
    secret = (await profile.set_up_totp(house.sign_in, house.ada.user, PASSWORD)).secret
    totp = pyotp.TOTP(secret)
    await profile.confirm_totp(house.sign_in, house.ada.user, totp.at(house.clock.now()), HERE)
    house.clock.advance(BEFORE - timedelta(minutes=1))
    await ask(house.sign_in, house.ada, code=totp.at(house.clock.now()))
    await house.undo(await link_to(house.sign_in, ADA))
    await sign_in_with_password(house.sign_in, Credentials(email=ADA, password=OTHER), HERE)


async def test_a_preview_says_what_an_undo_would_end_and_ends_nothing(house: House) -> None:
    await ask(house.sign_in, house.ada)
    undo = await link_to(house.sign_in, ADA)
    made = await house.key(house.owner)
    for _ in range(2):
        told = await preview_undo(house.sign_in, undo, HERE, ROOMS)
        assert told == [Undone(Kind.KEY, house.account_id, ids.show("key", made), "of owner")]
    assert await house.in_force() == {made}
    await confirm_change(house.sign_in, await link_to(house.sign_in, NEW), HERE, session=house.ada.token)
    assert await house.undo(undo) == [(Kind.KEY, "of owner")]
    with pytest.raises(Rejected, match="used or has expired"):
        await preview_undo(house.sign_in, undo, HERE, ROOMS)


async def test_who_accepts_while_an_undo_ends_invitations_does_not_join(house: House, new_user: NewUser) -> None:
    await new_user(MALLORY)
    await team.invite(house.conn, house.sign_in, house.account_id, MALLORY, Role.ADMIN, actor=house.owner)
    link, now = await link_to(house.sign_in, MALLORY), house.clock.now()
    async with house.conn.transaction():
        await lock_account(house.conn, house.account_id)
        task = asyncio.create_task(team.accept_invitation(house.sign_in, link, HERE))
        await wait_until_held_up(house.conn, task)
        await team.end_open_grants(house.conn, house.account_id, [house.owner.id], now)
    with pytest.raises(Rejected):
        await task
    assert await roles_of(house.conn, house.account_id) == {"ada": "owner"}


async def test_a_key_that_a_tool_fetches_while_an_undo_begins_ends_with_it(house: House) -> None:
    await ask(house.sign_in, house.ada)
    undo = await link_to(house.sign_in, ADA)
    consent = await consent_of(house.sign_in, house.account_id, house.owner)
    async with house.conn.transaction():
        await connect.take_connection(house.conn, house.sign_in, consent, VERIFIER)
        task = asyncio.create_task(house.undo(undo))
        await wait_until_held_up(house.conn, task)
        await house.key(house.owner)
    assert await task == [(Kind.KEY, "of owner")]
    assert await house.in_force() == set()


async def test_no_app_is_set_up_by_who_was_signed_in_before_the_password_was_reset(house: House) -> None:
    async with house.conn.transaction():
        await lock_user(house.conn, house.ada.user.id)
        task = asyncio.create_task(profile.set_up_totp(house.sign_in, house.ada.user, PASSWORD))
        await wait_until_held_up(house.conn, task)
        await replace_password(house.conn, house.ada.user.id, "another", house.clock.now())
    with pytest.raises(SignInRefused):
        await task


async def test_on_the_last_day_an_undo_still_finds_who_was_let_in_where_little_is_kept(
    house: House, new_user: NewUser, policy: Policy
) -> None:
    edition = msgspec.structs.replace(policy, retention=msgspec.structs.replace(policy.retention, metadata_days=7))
    await house.let_in(new_user, MALLORY, Role.ADMIN, house.owner)
    house.clock.advance(timedelta(hours=20))
    await ask(house.sign_in, house.ada)
    undo = await link_to(house.sign_in, ADA)
    house.clock.advance(timedelta(days=6, hours=23))
    await purge_sign_in(house.conn, house.sign_in.world, edition)
    assert await house.undo(undo) == [(Kind.MEMBER, MALLORY)]
