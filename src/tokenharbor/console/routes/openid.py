"""Routes of sign-in with an OpenID provider: redirect there and the return. They redirect back to our paths only."""

from collections.abc import Sequence
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from tokenharbor.console.authority import Right
from tokenharbor.console.context import Context
from tokenharbor.console.cookies import openid_cookie, sealed_openid_request, session_cookie, session_token
from tokenharbor.console.guard import is_from_our_page, refuse_cross_site_navigation
from tokenharbor.console.routes.session import visitor_of
from tokenharbor.kernel.errors import HarborError, Refusal, http_error
from tokenharbor.signin.openid import OpenIdReturn, begin_openid, finish_openid

AnyRequest = Request[Any, Any, Any]

_HOME = "/dashboard/"
_SIGN_IN = "/dashboard/sign-in"


@get("/api/openid/start", right=Right.ANYBODY, status_code=303, operation_id="startOpenId", tags=["session"])
async def start_openid(request: AnyRequest, context: Context, referral: FromQuery[str] = "") -> Response[None]:
    """Redirect to the OpenID provider. A user who is signed in and comes from our page connects it to their sign-in."""
    try:
        refuse_cross_site_navigation(request)
        session = session_token(request) if is_from_our_page(request) else None
        start = await begin_openid(context.sign_in, referral[:100], session or "")
    except HarborError as error:
        return _redirect(_problem(error))
    response = _redirect(start.url)
    response.cookies = [openid_cookie(request, start.sealed_request)]
    return response


@get("/api/openid/callback", right=Right.ANYBODY, status_code=303, operation_id="finishOpenId", tags=["session"])
async def finish(request: AnyRequest, context: Context) -> Response[None]:
    """Return from the OpenID provider, and begin a session."""
    query = request.query_params
    code, state = query.get("code", ""), query.get("state", "")
    back = OpenIdReturn(
        code=code, state=state, sealed_request=sealed_openid_request(request), session=session_token(request) or ""
    )
    removed_cookie = openid_cookie(request, "")
    try:
        begun = await finish_openid(context.sign_in, back, visitor_of(request))
    except HarborError as error:
        response = _redirect(_problem(error))
        response.cookies = [removed_cookie]
        return response
    response = _redirect(_HOME)
    response.cookies = [removed_cookie, session_cookie(request, begun.token)]
    return response


OPENID_ROUTES: Final[Sequence[HTTPRouteHandler]] = (start_openid, finish)


def _problem(error: HarborError) -> str:
    """Return the URL of the sign-in page with the error's code, which the page explains."""
    code = error.code if isinstance(error, Refusal) else http_error(error).code
    return f"{_SIGN_IN}?problem={code}"


def _redirect(url: str) -> Response[None]:
    return Response(None, status_code=303, headers={"location": url, "cache-control": "no-store"})
