"""Routes of the connected services that a user can sign in with."""

from collections.abc import Sequence
from typing import Any, Final

from litestar import Request, delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from tokenharbor.console.authority import Right
from tokenharbor.console.context import Caller, Conn, Context
from tokenharbor.console.lists import Page
from tokenharbor.console.routes.session import user_id_of, visitor_of
from tokenharbor.signin.documents import IdentityDocument
from tokenharbor.signin.identities import disconnect, list_services

AnyRequest = Request[Any, Any, Any]


@get("/api/user/identities", right=Right.SIGNED_IN, operation_id="listIdentities", tags=["user"])
async def show_identities(caller: Caller, conn: Conn, context: Context) -> Page[IdentityDocument]:
    """List the connected services that can sign you in, oldest first."""
    found = await list_services(conn, context.sign_in, user_id_of(caller.user_id))
    return Page([IdentityDocument.of(each) for each in found], None)


@delete("/api/user/identities/{identity_id:str}", right=Right.SIGNED_IN, operation_id="removeIdentity", tags=["user"])
async def remove_identity(identity_id: FromPath[str], request: AnyRequest, caller: Caller, context: Context) -> None:
    """Disconnect a service. 409 if you have no other way to sign in: set a password or add a passkey first."""
    await disconnect(context.sign_in, user_id_of(caller.user_id), identity_id, visitor_of(request))


IDENTITY_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_identities, remove_identity)
