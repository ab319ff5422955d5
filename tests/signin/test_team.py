"""Members: limits of roles, the last owner, and the end of everything that a removed member gave."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from tests.signin.conftest import HERE, PASSWORD, ROOT, NewUser, link_to, mails_to

from tokenharbor.identity import members
from tokenharbor.identity.changes import read_changes
from tokenharbor.identity.management_keys import find_management_key, list_management_keys
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Conflict, Missing, PermissionDenied, RateLimited, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import SecretPurpose
from tokenharbor.kernel.world import World
from tokenharbor.signin import sessions, team
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import MANAGEMENT_KEYS
from tokenharbor.signin.management import (
    MOST,
    IssuedManagementKey,
    NewManagementKey,
    issue_management_key,
    revoke_management_key,
)
from tokenharbor.signin.records import Actor
from tokenharbor.signin.sessions import Credentials, NewSession

DERIVED = ROOT.derive(SecretPurpose.KEY_HASHES)
Role = AccountRole


async def account_of(conn: asyncpg.Connection, session: NewSession) -> UUID:
    [membership] = await members.list_memberships(conn, session.user.id)
    return membership.account_id


def actor_of(session: NewSession, role: AccountRole) -> Actor:
    return Actor(id=session.user.shown_id, role=role, user_id=session.user.id, address="192.0.2.7")


async def roles_of(conn: asyncpg.Connection, account_id: UUID) -> dict[str, str]:
    return {each.email.partition("@")[0]: each.role.value for each in await members.list_members(conn, account_id)}


async def join(sign_in: SignIn, account_id: UUID, session: NewSession, role: AccountRole) -> Actor:
    async with sign_in.acquire() as conn:
        await members.join_account(conn, account_id, session.user.id, role, sign_in.world.clock.now())
    return actor_of(session, role)


async def issue(sign_in: SignIn, account_id: UUID, role: AccountRole, actor: Actor) -> IssuedManagementKey:
    async with sign_in.acquire() as conn:
        wanted = NewManagementKey("ci", role)
        return await issue_management_key(
            conn, sign_in.world, DERIVED, account_id=account_id, wanted=wanted, actor=actor
        )


async def test_who_is_invited_joins_with_the_role_of_the_invitation(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada, bob = await new_user("ada@example.com"), await new_user("bob@example.com")
    account_id = await account_of(conn, ada)
    owner = actor_of(ada, Role.OWNER)
    await team.invite(conn, sign_in, account_id, " Bob@example.com", Role.BILLING, actor=owner)
    await team.invite(conn, sign_in, account_id, "eve@example.com", Role.VIEWER, actor=owner)
    accepted = await team.accept_invitation(sign_in, await link_to(sign_in, "bob@example.com"), HERE)
    assert (accepted.account_id, accepted.session) == (account_id, None), "who has a password signs in with it"
    token = await link_to(sign_in, "eve@example.com")
    with pytest.raises(Rejected, match="characters"):
        await team.accept_invitation(sign_in, token, HERE)
    new = await team.accept_invitation(sign_in, token, HERE, password=PASSWORD)
    assert new.session is not None
    with pytest.raises(Rejected, match="used"):
        await team.accept_invitation(sign_in, token, HERE, password="another-good-1")
    await sessions.sign_in_with_password(sign_in, Credentials(email="eve@example.com", password=PASSWORD), HERE)
    assert await roles_of(conn, account_id) == {"ada": "owner", "bob": "billing", "eve": "viewer"}
    assert {each.role for each in await members.list_memberships(conn, bob.user.id)} == {Role.OWNER, Role.BILLING}
    assert len(await members.list_memberships(conn, new.session.user.id)) == 1, "no account of one's own"
    assert await members.list_invitations(conn, account_id, sign_in.world.clock.now()) == []
    with pytest.raises(Conflict):
        await team.invite(conn, sign_in, account_id, "bob@example.com", Role.ADMIN, actor=owner)
    told = [(each.actor, each.field, each.after) for each in await read_changes(conn, account_id)]
    assert told == [
        (ada.user.shown_id, "invitation", "billing"),
        (ada.user.shown_id, "invitation", "viewer"),
        (bob.user.shown_id, "role", "billing"),
        (new.session.user.shown_id, "role", "viewer"),
    ]


async def test_an_invitation_ends_by_time_by_hand_and_by_the_next_one(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World, clock: ManualClock
) -> None:
    ada = await new_user("ada@example.com")
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)
    tokens = []
    for _ in range(2):
        sent = await team.invite(conn, sign_in, account_id, "bob@example.com", Role.VIEWER, actor=owner)
        tokens.append(await link_to(sign_in, "bob@example.com"))
    assert [each.id for each in await members.list_invitations(conn, account_id, clock.now())] == [sent.id]
    await team.withdraw_invitation(conn, world, account_id, sent.id, actor=owner)
    with pytest.raises(Missing):
        await team.withdraw_invitation(conn, world, account_id, sent.id, actor=owner)
    await team.invite(conn, sign_in, account_id, "bob@example.com", Role.VIEWER, actor=owner)
    tokens.append(await link_to(sign_in, "bob@example.com"))
    clock.advance(team.INVITATION_LASTS)
    for token in tokens:
        with pytest.raises(Rejected):
            await team.accept_invitation(sign_in, token, HERE, password=PASSWORD)


async def test_an_invitation_names_the_account_without_links_of_its_own(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user("ada@example.com")
    account_id = await account_of(conn, ada)
    await members.set_account_name(conn, account_id, "Win $5 at https://evil.example/x {link}")
    await team.invite(conn, sign_in, account_id, "bob@example.com", Role.VIEWER, actor=actor_of(ada, Role.OWNER))
    [body] = await mails_to(sign_in, "bob@example.com")
    assert body.count("http") == 2, "ours, and the name's without its dots and slashes"
    assert "evil.example" not in body


async def test_an_invitation_to_an_account_without_a_name_says_who_invites_and_to_which_role(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user("ada@example.com")
    account_id = await account_of(conn, ada)
    await members.set_account_name(conn, account_id, "")
    await team.invite(conn, sign_in, account_id, "bob@example.com", Role.VIEWER, actor=actor_of(ada, Role.OWNER))
    [body] = await mails_to(sign_in, "bob@example.com")
    assert "ada@example.com" in body
    assert "viewer" in body
    assert ids.show("acct", account_id) not in body


async def test_invitations_of_an_account_are_limited(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user("ada@example.com")
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)
    for number in range(50):
        await team.invite(conn, sign_in, account_id, f"u{number}@example.com", Role.VIEWER, actor=owner)
    with pytest.raises(RateLimited):
        await team.invite(conn, sign_in, account_id, "more@example.com", Role.VIEWER, actor=owner)


GIVES = {
    Role.OWNER: set(Role),
    Role.ADMIN: set(Role) - {Role.OWNER},
    Role.DEVELOPER: set(),
    Role.BILLING: set(),
    Role.VIEWER: set(),
}


async def test_no_role_gives_or_takes_a_role_above_its_ceiling(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World
) -> None:
    ada, bob, eve = [await new_user(f"{who}@example.com") for who in ("ada", "bob", "eve")]
    account_id = await account_of(conn, ada)
    await join(sign_in, account_id, eve, Role.OWNER)
    for mine, given in GIVES.items():
        actor = actor_of(bob, mine)
        for role in Role:
            await conn.execute("delete from membership where account_id = $1 and user_id = $2", account_id, eve.user.id)
            await members.join_account(conn, account_id, eve.user.id, role, world.clock.now())
            tries = [
                team.invite(conn, sign_in, account_id, f"x-{mine}-{role}@example.com", role, actor=actor),
                team.change_member(conn, world, account_id, eve.user.id, role, actor=actor),
                issue(sign_in, account_id, role, actor),
                team.remove_member(conn, world, account_id, eve.user.id, actor=actor),
            ]
            for number, attempt in enumerate(tries):
                if number == 2 and role is Role.OWNER:
                    with pytest.raises(Rejected):
                        await attempt
                elif role in given:
                    await attempt
                else:
                    with pytest.raises(PermissionDenied):
                        await attempt


async def test_the_last_owner_neither_leaves_nor_steps_down(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World, pool: asyncpg.Pool
) -> None:
    ada, bob = await new_user("ada@example.com"), await new_user("bob@example.com")
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)
    with pytest.raises(Conflict):
        await team.remove_member(conn, world, account_id, ada.user.id, actor=owner)
    with pytest.raises(Conflict):
        await team.change_member(conn, world, account_id, ada.user.id, Role.ADMIN, actor=owner)
    other = await join(sign_in, account_id, bob, Role.OWNER)

    async def go(actor: Actor) -> None:
        async with pool.acquire() as own, own.transaction():
            assert actor.user_id is not None
            await team.remove_member(own, world, account_id, actor.user_id, actor=actor)

    both = await asyncio.gather(go(owner), go(other), return_exceptions=True)
    assert [type(each) for each in both if each is not None] == [Conflict], "of two at once, one stays"
    assert list((await roles_of(conn, account_id)).values()) == ["owner"]


async def test_what_a_member_gave_goes_with_the_role(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World, clock: ManualClock
) -> None:
    ada, bob = await new_user("ada@example.com"), await new_user("bob@example.com")
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)
    admin = await join(sign_in, account_id, bob, Role.ADMIN)
    issued = await issue(sign_in, account_id, Role.VIEWER, admin)
    mine = await issue(sign_in, account_id, Role.VIEWER, owner)
    await team.invite(conn, sign_in, account_id, "eve@example.com", Role.ADMIN, actor=admin)
    await team.change_member(conn, world, account_id, bob.user.id, Role.DEVELOPER, actor=owner)
    assert await find_management_key(conn, DERIVED, issued.secret, clock.now()) is None
    assert await find_management_key(conn, DERIVED, mine.secret, clock.now()) is not None
    with pytest.raises(Rejected):
        await team.accept_invitation(sign_in, await link_to(sign_in, "eve@example.com"), HERE, password=PASSWORD)
    await team.remove_member(conn, world, account_id, bob.user.id, actor=actor_of(bob, Role.DEVELOPER))
    assert await roles_of(conn, account_id) == {"ada": "owner"}
    with pytest.raises(Missing):
        await team.change_member(conn, world, account_id, bob.user.id, Role.VIEWER, actor=owner)


async def test_a_management_key_opens_one_account_until_it_ends(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World, clock: ManualClock
) -> None:
    ada, bob = await new_user("ada@example.com"), await new_user("bob@example.com")
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)
    wanted = NewManagementKey(" ci ", Role.DEVELOPER, clock.now() + timedelta(days=1))
    made = await issue_management_key(conn, world, DERIVED, account_id=account_id, wanted=wanted, actor=owner)
    assert made.secret.startswith("thm_live_")
    found = await find_management_key(conn, DERIVED, made.secret, clock.now())
    assert found == made.key
    assert (found.account_id, found.role, found.name) == (account_id, Role.DEVELOPER, "ci")
    for wrong in ("", "thm_live_", made.secret[:-1], made.secret.replace("thm", "thk"), "ÿ" * 41):
        assert await find_management_key(conn, DERIVED, wrong, clock.now()) is None
    with pytest.raises(Missing):
        await revoke_management_key(conn, world, await account_of(conn, bob), made.key.id, actor=owner)
    past = NewManagementKey("late", Role.VIEWER, clock.now())
    with pytest.raises(Rejected):
        await issue_management_key(conn, world, DERIVED, account_id=account_id, wanted=past, actor=owner)
    other = await issue(sign_in, account_id, Role.VIEWER, owner)
    revoked_at = await revoke_management_key(conn, world, account_id, other.key.id, actor=owner)
    clock.advance(timedelta(hours=1))
    assert await revoke_management_key(conn, world, account_id, other.key.id, actor=owner) == revoked_at
    assert await find_management_key(conn, DERIVED, other.secret, clock.now()) is None
    clock.advance(timedelta(days=1))
    assert await find_management_key(conn, DERIVED, made.secret, clock.now()) is None
    assert [each.revoked_at for each in await list_management_keys(conn, account_id)] == [None, revoked_at]
    told = [(each.field, each.before, each.after, each.subject) for each in await read_changes(conn, account_id)]
    assert told == [
        ("management_key", "", "developer ci", made.key.shown_id),
        ("management_key", "", "viewer ci", other.key.shown_id),
        ("management_key", "ci", "", other.key.shown_id),
    ]
    rows = str(await conn.fetch("select to_jsonb(k)::text from management_key k"))
    assert made.secret not in rows


def test_a_shown_id_of_an_invitation_is_read_again() -> None:
    assert ids.parse("inv", ids.show("inv", UUID(int=1 << 77))) == UUID(int=1 << 77)
    assert Visitor("not an address").ip is None


async def test_management_keys_have_an_end_and_one_that_is_revoked_makes_room(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World, clock: ManualClock
) -> None:
    ada = await new_user("ada@example.com")
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)
    made = [await issue(sign_in, account_id, Role.VIEWER, owner) for _ in range(MOST)]
    clock.advance(timedelta(days=1))
    with pytest.raises(Conflict, match="100 management keys: revoke some first"):
        await issue(sign_in, account_id, Role.VIEWER, owner)
    await revoke_management_key(conn, world, account_id, made[0].key.id, actor=owner)
    told = await asyncio.gather(
        *(issue(sign_in, account_id, Role.VIEWER, owner) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in told) == ["Conflict", "IssuedManagementKey"]


async def test_who_makes_and_revokes_management_keys_all_day_is_stopped(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World, clock: ManualClock
) -> None:
    ada = await new_user("ada@example.com")
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)

    async def make_and_revoke() -> None:
        made = await issue(sign_in, account_id, Role.VIEWER, owner)
        await revoke_management_key(conn, world, account_id, made.key.id, actor=owner)

    for _ in range(MANAGEMENT_KEYS.most):
        await make_and_revoke()
    with pytest.raises(RateLimited, match="try again tomorrow"):
        await make_and_revoke()
    clock.advance(MANAGEMENT_KEYS.window)
    await make_and_revoke()
