"""The control API as an ASGI application: its routes, and what all of them share."""

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
from tokenharbor.console.openapi import UsdSchema, read_openapi
from tokenharbor.console.pages import DASHBOARD, PAGE_ROUTES, DashboardFiles
from tokenharbor.console.routes.account import ACCOUNT_ROUTES
from tokenharbor.console.routes.alerts import ALERT_ROUTES
from tokenharbor.console.routes.audit import AUDIT_ROUTES
from tokenharbor.console.routes.connections import CONNECTION_ROUTES
from tokenharbor.console.routes.credit import CREDIT_ROUTES
from tokenharbor.console.routes.edition import EDITION_ROUTES
from tokenharbor.console.routes.events import EVENT_ROUTES
from tokenharbor.console.routes.home import HOME_ROUTES
from tokenharbor.console.routes.keys import KEY_ROUTES
from tokenharbor.console.routes.management_keys import MANAGEMENT_KEY_ROUTES
from tokenharbor.console.routes.models import MODEL_ROUTES
from tokenharbor.console.routes.openid import OPENID_ROUTES
from tokenharbor.console.routes.operator import OPERATOR_ROUTES
from tokenharbor.console.routes.refunds import REFUND_ROUTES
from tokenharbor.console.routes.rewards import REWARD_ROUTES
from tokenharbor.console.routes.session import SESSION_ROUTES
from tokenharbor.console.routes.team import TEAM_ROUTES
from tokenharbor.console.routes.topups import TOP_UP_ROUTES
from tokenharbor.console.routes.usage import USAGE_ROUTES
from tokenharbor.console.routes.user import USER_ROUTES
from tokenharbor.console.routes.withdrawals import WITHDRAWAL_ROUTES
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.money import Usd

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    read_openapi,
    *EDITION_ROUTES,
    *SESSION_ROUTES,
    *OPENID_ROUTES,
    *USER_ROUTES,
    *ACCOUNT_ROUTES,
    *TEAM_ROUTES,
    *CONNECTION_ROUTES,
    *MANAGEMENT_KEY_ROUTES,
    *AUDIT_ROUTES,
    *ALERT_ROUTES,
    *CREDIT_ROUTES,
    *HOME_ROUTES,
    *EVENT_ROUTES,
    *KEY_ROUTES,
    *MODEL_ROUTES,
    *REFUND_ROUTES,
    *REWARD_ROUTES,
    *TOP_UP_ROUTES,
    *USAGE_ROUTES,
    *WITHDRAWAL_ROUTES,
    *OPERATOR_ROUTES,
    *PAGE_ROUTES,
)

_MOST_BODY_BYTES = 256 << 10


def make_app(context: ConsoleContext | None = None, dashboard: DashboardFiles | None = None) -> Litestar:
    """Without a context it can be described, and serves nothing. Raises Misconfigured for a route that states no right:
    nobody may call it, until it says who may.
    """
    for route in ROUTES:
        if not isinstance(route.opt.get("right"), Right):
            raise Misconfigured(f"the route {route.handler_name} states no right")
    return Litestar(
        ROUTES,
        guards=[check_access],
        dependencies=dict(DEPENDENCIES),
        exception_handlers=dict(ERROR_HANDLERS),
        type_encoders={Usd: str},
        type_decoders=[(lambda kind: kind is Usd, lambda _, text: Usd.parse(text))],
        plugins=[UsdSchema()],
        openapi_config=OpenAPIConfig("Token Harbor", __version__, use_handler_docstrings=True),
        request_max_body_size=_MOST_BODY_BYTES,
        logging_config=None,
        state=State({CONTEXT: context, DASHBOARD: dashboard}),
    )
