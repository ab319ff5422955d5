"""Every route of an account: another's account is not found, and a role without the right is refused."""

import re
from collections.abc import Iterator

from litestar.handlers import HTTPRouteHandler
from tests.console.conftest import Office

from tokenharbor.console.app import ROUTES
from tokenharbor.console.authority import RIGHTS, Right
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids

_OTHER_ID = re.compile(r"\{(\w+):str\}")


def account_routes() -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """The method and path of each, below the account."""
    for handler in ROUTES:
        for path in handler.paths:
            if path.startswith("/api/accounts/{account_id:str}"):
                for method in handler.http_methods:
                    yield method, _OTHER_ID.sub("none", path.partition("{account_id:str}")[2]), handler


async def test_a_foreign_account_is_not_there_whatever_is_asked_for(office: Office) -> None:
    stranger = office.member(AccountRole.OWNER, office.context.world.ids.new())
    for method, path, _ in account_routes():
        said = await stranger.ask(method, office.account_path + path, json={} if method != "GET" else None)
        assert (said.status_code, said.json()["error"]["code"]) == (404, "not_found"), (method, path)


async def test_a_role_without_the_right_may_not(office: Office) -> None:
    for method, path, handler in account_routes():
        right: Right = handler.opt["right"]
        for role in AccountRole:
            if right in RIGHTS[role]:
                continue
            said = await office.member(role).ask(method, office.account_path + path, json={})
            assert (said.status_code, said.json()["error"]["code"]) == (403, "permission_denied"), (method, path, role)


async def test_another_accounts_things_are_not_there(office: Office) -> None:
    """Ids that are well formed, of nothing that this account has."""
    owner, some = office.member(AccountRole.OWNER), office.context.world.ids.new()
    for method, path, body in (
        ("GET", f"/keys/{ids.show('key', some)}", None),
        ("PATCH", f"/keys/{ids.show('key', some)}", {}),
        ("DELETE", f"/keys/{ids.show('key', some)}", None),
        ("POST", f"/keys/{ids.show('key', some)}/rotation", {}),
        ("POST", f"/keys/{ids.show('key', some)}/revocation", None),
        ("GET", f"/requests/{ids.show('req', some)}", None),
        ("GET", f"/top-ups/{ids.show('topup', some)}", None),
        ("POST", f"/top-ups/{ids.show('topup', some)}/sync", None),
        ("GET", f"/top-ups/{ids.show('topup', some)}/receipt.pdf", None),
        ("GET", f"/top-ups/{ids.show('topup', some)}/refund-preview", None),
        ("POST", f"/top-ups/{ids.show('topup', some)}/refunds", {}),
        ("POST", f"/withdrawals/{ids.show('withdrawal', some)}/cancellation", None),
        ("GET", f"/withdrawals/preview?payee={ids.show('payee', some)}", None),
        ("POST", "/withdrawals", {"top_up": ids.show("topup", some)}),
        ("DELETE", f"/payees/{ids.show('payee', some)}", None),
    ):
        headers = {"idempotency-key": "one"}
        said = await owner.ask(method, office.account_path + path, json=body, headers=headers)
        assert (said.status_code, said.json()["error"]["code"]) == (404, "not_found"), (method, path, said.text)


async def test_what_only_reads_answers_for_an_account_on_its_first_day(office: Office) -> None:
    owner = office.member(AccountRole.OWNER)
    without = {"/events"}  # it has no end
    without |= {
        "/auto-top-up",
        "/withdrawals/preview",
        "/top-ups/none",
        "/keys/none",
        "/requests/none",
        "/sessions/none",
    }
    for method, path, _ in account_routes():
        if method == "GET" and not path.startswith(tuple(without)):
            said = await owner.get(office.account_path + path)
            assert said.status_code == 200, (path, said.text)
