"""Password reset with a link in a mail. It ends all sessions and begins none: sign-in still requires the second factor.
It disconnects other services and removes passkeys, as an attacker may have added them.
"""

from datetime import timedelta
from typing import Final

from tokenharbor.identity.passkeys import drop_passkeys
from tokenharbor.identity.sessions import Visitor, end_sessions
from tokenharbor.identity.tokens import LinkToken, TokenPurpose, add_token, end_tokens, make_token
from tokenharbor.identity.users import drop_identities, find_user, get_user, normalise_email
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import MAILS, MAILS_BY_ADDRESS, TOKENS_BY_ADDRESS, admit, mailbox_of, network_of
from tokenharbor.signin.mails import MailDraft, UserMailKind, send_mail
from tokenharbor.signin.records import FieldChange, record_own_change
from tokenharbor.signin.sessions import open_link
from tokenharbor.signin.sign_up import activate_user, may_sign_up

RESET_LASTS: Final = timedelta(hours=1)


async def ask_reset(sign_in: SignIn, email: str, visitor: Visitor) -> None:
    """Mail a link if the address has a user, without revealing whether it does. The limits allow too few requests to
    measure it by time. Raises Rejected for an invalid address, RateLimited.
    """
    email = normalise_email(email)
    await admit(sign_in, [(MAILS_BY_ADDRESS, network_of(visitor)), (MAILS, mailbox_of(email))])
    world, purpose = sign_in.world, TokenPurpose.RESET
    token, now = make_token(world.entropy), world.clock.now()
    hashed = sign_in.hasher.hash(purpose, token)
    async with sign_in.acquire() as conn, conn.transaction():
        user = await find_user(conn, email)
        if user is not None:
            await end_tokens(conn, user.id, purpose, now)
            link = LinkToken(id=world.ids.new(), purpose=purpose, user_id=user.id)
            await add_token(conn, link, hashed, now, lasts=RESET_LASTS)
            locale = user.language or visitor.locale
            draft = MailDraft(kind=UserMailKind.RESET, user_id=user.id, locale=locale, token=token)
            await send_mail(conn, sign_in, draft)


async def reset_password(sign_in: SignIn, token: str, password: str, visitor: Visitor) -> None:
    """Set the password with the token in a link, which also verifies the e-mail address. A user who was only invited
    also gets their own account, if they could have signed up.

    Raises Rejected, RateLimited.
    """
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    sign_in.passwords.check(password, "")
    hashed = await sign_in.passwords.hash(password)
    async with sign_in.acquire() as conn, conn.transaction():
        link = await open_link(conn, sign_in, token, TokenPurpose.RESET)
        user = await get_user(conn, link.user_id)
        sign_in.passwords.check(password, user.email)
        own_account = may_sign_up(sign_in.policy().sign_up, user.email)
        await activate_user(conn, sign_in, link.user_id, password=hashed, own_account=own_account)
        await drop_identities(conn, link.user_id)
        await drop_passkeys(conn, link.user_id)
        await end_sessions(conn, link.user_id, sign_in.world.clock.now())
        await record_own_change(conn, sign_in.world, user, visitor, FieldChange(field="password", after="changed"))
