"""The control API as an ASGI application: its routes and their shared settings."""

from collections.abc import Sequence
from typing import Final

from litestar import Litestar
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig

from tokenharbor import __version__
from tokenharbor.console.authority import Right
from tokenharbor.console.context import CONTEXT, ConsoleContext
from tokenharbor.console.dependencies import DEPENDENCIES
from tokenharbor.console.errors import ERROR_HANDLERS
from tokenharbor.console.guard import check_access
from tokenharbor.console.headers import harden
from tokenharbor.console.openapi import UsdSchema, read_openapi
from tokenharbor.console.pages import DASHBOARD, PAGE_ROUTES, DashboardFiles
from tokenharbor.console.routes.account import ACCOUNT_ROUTES
from tokenharbor.console.routes.alerts import ALERT_ROUTES
from tokenharbor.console.routes.audit import AUDIT_ROUTES
from tokenharbor.console.routes.budgets import BUDGET_ROUTES
from tokenharbor.console.routes.caching import CACHING_ROUTES
from tokenharbor.console.routes.client_sessions import CLIENT_SESSION_ROUTES
from tokenharbor.console.routes.connections import CONNECTION_ROUTES
from tokenharbor.console.routes.credit import CREDIT_ROUTES
from tokenharbor.console.routes.edition import EDITION_ROUTES
from tokenharbor.console.routes.email import EMAIL_ROUTES
from tokenharbor.console.routes.events import EVENT_ROUTES
from tokenharbor.console.routes.free_models import FREE_MODEL_ROUTES
from tokenharbor.console.routes.home import HOME_ROUTES
from tokenharbor.console.routes.identities import IDENTITY_ROUTES
from tokenharbor.console.routes.keys import KEY_ROUTES
from tokenharbor.console.routes.management_keys import MANAGEMENT_KEY_ROUTES
from tokenharbor.console.routes.models import MODEL_ROUTES
from tokenharbor.console.routes.openid import OPENID_ROUTES
from tokenharbor.console.routes.operator import OPERATOR_ROUTES
from tokenharbor.console.routes.passkeys import PASSKEY_ROUTES
from tokenharbor.console.routes.refunds import REFUND_ROUTES
from tokenharbor.console.routes.refused_calls import REFUSED_CALL_ROUTES
from tokenharbor.console.routes.rewards import REWARD_ROUTES
from tokenharbor.console.routes.router_keys import ROUTER_KEY_ROUTES
from tokenharbor.console.routes.session import SESSION_ROUTES
from tokenharbor.console.routes.team import TEAM_ROUTES
from tokenharbor.console.routes.topups import TOP_UP_ROUTES
from tokenharbor.console.routes.usage import USAGE_ROUTES
from tokenharbor.console.routes.user import USER_ROUTES
from tokenharbor.console.routes.withdrawals import WITHDRAWAL_ROUTES
from tokenharbor.console.site.assets import NO_ASSETS
from tokenharbor.console.site.routes import SITE, SITE_ROUTES, ModelSite
from tokenharbor.console.usd_number import UsdNumber
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.money import Usd

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    read_openapi,
    *EDITION_ROUTES,
    *SESSION_ROUTES,
    *OPENID_ROUTES,
    *PASSKEY_ROUTES,
    *IDENTITY_ROUTES,
    *EMAIL_ROUTES,
    *USER_ROUTES,
    *ACCOUNT_ROUTES,
    *TEAM_ROUTES,
    *CONNECTION_ROUTES,
    *MANAGEMENT_KEY_ROUTES,
    *AUDIT_ROUTES,
    *ALERT_ROUTES,
    *BUDGET_ROUTES,
    *CACHING_ROUTES,
    *CREDIT_ROUTES,
    *HOME_ROUTES,
    *EVENT_ROUTES,
    *FREE_MODEL_ROUTES,
    *KEY_ROUTES,
    *ROUTER_KEY_ROUTES,
    *MODEL_ROUTES,
    *REFUND_ROUTES,
    *REWARD_ROUTES,
    *TOP_UP_ROUTES,
    *USAGE_ROUTES,
    *CLIENT_SESSION_ROUTES,
    *REFUSED_CALL_ROUTES,
    *WITHDRAWAL_ROUTES,
    *OPERATOR_ROUTES,
    *PAGE_ROUTES,
    *SITE_ROUTES,
)

_MOST_BODY_BYTES = 256 << 10


def make_app(context: ConsoleContext | None = None, dashboard: DashboardFiles | None = None) -> Litestar:
    """Make the application. Without a context, it can only be described (OpenAPI), not serve.

    Raises Misconfigured for a route that states no right.
    """
    for route in ROUTES:
        if not isinstance(route.opt.get("right"), Right):
            raise Misconfigured(f"the route {route.handler_name} states no right")
    site = ModelSite(NO_ASSETS if dashboard is None else dashboard.site)
    return Litestar(
        ROUTES,
        guards=[check_access],
        dependencies=dict(DEPENDENCIES),
        exception_handlers=dict(ERROR_HANDLERS),
        type_encoders={Usd: str, UsdNumber: UsdNumber.as_json},
        type_decoders=[(lambda kind: kind is Usd, lambda _, stated: _read_usd(stated))],
        plugins=[UsdSchema()],
        openapi_config=OpenAPIConfig("Token Harbor", __version__, use_handler_docstrings=True),
        request_max_body_size=_MOST_BODY_BYTES,
        logging_config=None,
        before_send=[harden],
        state=State({CONTEXT: context, DASHBOARD: dashboard, SITE: site}),
    )


def _read_usd(stated: object) -> Usd:
    """Read an amount from JSON. Raises ValueError."""
    if not isinstance(stated, str):
        raise ValueError('an amount must be a decimal string, such as "5.25"')  # noqa: TRY004  a decoder's error
    return Usd.parse(stated)
