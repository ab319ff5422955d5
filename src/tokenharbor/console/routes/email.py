"""Routes of a user's e-mail address: its change, confirmation and undo."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from tokenharbor.console.authority import Right
from tokenharbor.console.context import Caller, Context
from tokenharbor.console.cookies import session_token
from tokenharbor.console.routes.session import LinkBody, NewPasswordBody, user_id_of, visitor_of
from tokenharbor.console.undo import UndoOutsideSignIn
from tokenharbor.identity.users import get_user
from tokenharbor.signin import change_email
from tokenharbor.signin.change_email import EmailChange
from tokenharbor.signin.documents import UndoneDocument

AnyRequest = Request[Any, Any, Any]


class NewEmailBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new address. `password` is empty if the user has none, `code` if the user has no authenticator app."""

    email: str
    password: str = ""
    code: str = ""


@post("/api/user/email", right=Right.SIGNED_IN, status_code=202, operation_id="askForEmail", tags=["user"])
async def ask(data: JSONBody[NewEmailBody], request: AnyRequest, caller: Caller, context: Context) -> None:
    """Ask to change the e-mail address. Sends a link to the new address, and a notice to the current one. The answer is
    the same if the new address already has an account.
    """
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    asked = EmailChange(email=data.email, password=data.password, code=data.code, session_id=caller.session_id)
    await change_email.ask_change(context.sign_in, user, asked, visitor_of(request))


@post("/api/email-change", right=Right.ANYBODY, status_code=204, operation_id="confirmEmail", tags=["session"])
async def confirm(data: JSONBody[LinkBody], request: AnyRequest, context: Context) -> None:
    """Confirm the new e-mail address with the link sent to it, in a browser where the user is signed in. Ends all other
    sessions.
    """
    shown = session_token(request) or ""
    await change_email.confirm_change(context.sign_in, data.token, visitor_of(request), session=shown)


@post(
    "/api/email-undo/preview", right=Right.ANYBODY, status_code=200, operation_id="previewEmailUndo", tags=["session"]
)
async def preview(data: JSONBody[LinkBody], request: AnyRequest, context: Context) -> list[UndoneDocument]:
    """Preview what `undoEmail` would undo, besides ending sessions, passkeys and connected services: everything done in
    the user's name since one day before the change was requested.
    """
    hooks = UndoOutsideSignIn(context.funding, context.alerting)
    undone = await change_email.preview_undo(context.sign_in, data.token, visitor_of(request), hooks)
    return [UndoneDocument.of(each) for each in undone]


@post("/api/email-undo", right=Right.ANYBODY, status_code=200, operation_id="undoEmail", tags=["session"])
async def undo(data: JSONBody[NewPasswordBody], request: AnyRequest, context: Context) -> list[UndoneDocument]:
    """Keep or restore the e-mail address with the link in the notice, and set a new password. Ends all sessions, and
    undoes everything done in the user's name since one day before the change was requested; the answer lists it.
    """
    hooks = UndoOutsideSignIn(context.funding, context.alerting)
    undone = await change_email.undo_change(context.sign_in, data.token, data.password, visitor_of(request), hooks)
    return [UndoneDocument.of(each) for each in undone]


EMAIL_ROUTES: Final[Sequence[HTTPRouteHandler]] = (ask, confirm, preview, undo)
