"""The guard of all routes: authentication, cross-site requests and rights."""

import pytest
from litestar.testing import RequestFactory
from tests.console.conftest import SITE, Office

from tokenharbor.console.authority import RIGHTS, Right
from tokenharbor.console.guard import refuse_cross_site
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import PermissionDenied, UnsupportedEncoding

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


async def test_who_is_not_known_is_asked_to_sign_in(office: Office) -> None:
    for headers in ({}, {"cookie": "__Host-th=unknown"}, {"authorization": "Bearer thm_live_unknown"}):
        said = await office.client.get(office.account_path, headers=headers)
        assert (said.status_code, said.json()["error"]["code"]) == (401, "invalid_api_key"), headers


async def test_a_foreign_account_looks_like_one_that_is_not_there(office: Office) -> None:
    stranger = office.member(AccountRole.OWNER, office.context.world.ids.new())
    missing = f"/api/accounts/{ids.show('acct', office.context.world.ids.new())}"
    answers = [await stranger.get(path) for path in (office.account_path, missing, "/api/accounts/none")]
    assert [said.status_code for said in answers] == [404, 404, 404]
    assert len({said.json()["error"]["message"] for said in answers}) == 1


async def test_an_operator_reads_every_account(office: Office) -> None:
    assert (await office.operator.get(office.account_path)).status_code == 200


def test_a_role_has_the_rights_of_the_table() -> None:
    every = {Right.READ, Right.MANAGE_KEYS, Right.SPEND, Right.MANAGE, Right.OWN}
    lacks = {role: every - rights for role, rights in RIGHTS.items()}
    assert lacks[AccountRole.OWNER] == set()
    assert lacks[AccountRole.ADMIN] == {Right.OWN}
    assert lacks[AccountRole.DEVELOPER] == {Right.SPEND, Right.MANAGE, Right.OWN}
    assert lacks[AccountRole.BILLING] == {Right.MANAGE_KEYS, Right.MANAGE, Right.OWN}
    assert lacks[AccountRole.VIEWER] == every - {Right.READ}
    assert not any(Right.OPERATE in rights for rights in RIGHTS.values())


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"sec-fetch-site": "same-origin", "cookie": "__Host-th=x"}, False),
        ({"sec-fetch-site": "cross-site", "cookie": "__Host-th=x"}, True),
        ({"sec-fetch-site": "same-site", "cookie": "__Host-th=x"}, True),  # another host of the domain
        ({"sec-fetch-site": "cross-site"}, True),  # to sign somebody in as somebody else
        ({"origin": SITE, "cookie": "__Host-th=x"}, False),
        ({"origin": "https://evil.example", "cookie": "__Host-th=x"}, True),
        ({"origin": "null", "cookie": "__Host-th=x"}, True),
        ({"cookie": "__Host-th=x"}, True),  # browsers say one of the two
        ({}, False),  # a program
    ],
)
def test_a_page_of_another_site_changes_nothing(headers: dict[str, str], refused: bool) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        stated = {"host": "localhost:8080", **JSON, **headers}
        request = getattr(RequestFactory(), method.lower())("/api/x", headers=stated)
        if refused:
            with pytest.raises(PermissionDenied):
                refuse_cross_site(request)
        else:
            refuse_cross_site(request)


def test_a_body_that_a_form_can_send_is_refused() -> None:
    own = {"sec-fetch-site": "same-origin", "cookie": "__Host-th=x", "content-length": "3"}
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""):
        with pytest.raises(UnsupportedEncoding):
            refuse_cross_site(RequestFactory().post("/api/x", headers=own | {"content-type": kind}))
    refuse_cross_site(RequestFactory().post("/api/x", headers=own | JSON))
