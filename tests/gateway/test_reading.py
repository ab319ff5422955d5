"""The paths that callers read: models, balance, receipts."""

import pytest
from tests.gateway.house import HELLO, House

from tokenharbor.gateway.page import front_template, render_page
from tokenharbor.gateway.snapshot import build_snapshot
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL_FIELDS = {
    "id",
    "object",
    "created",
    "owned_by",
    "type",
    "display_name",
    "created_at",
    "pricing",
    "context_length",
    "capabilities",
    "providers",
    "retention",
}


async def test_models_need_no_key(house: House) -> None:
    said = await house.ask("GET", "/v1/models")
    assert said.status == 200
    listed = said.json()
    assert (listed["object"], listed["has_more"]) == ("list", False)
    (duo,) = [model for model in listed["data"] if model["id"] == "duo"]
    assert set(duo) >= MODEL_FIELDS
    assert [provider["name"] for provider in duo["providers"]] == ["alpha", "beta"]
    assert (duo["pricing"]["input"], duo["pricing"]["output"]) == ("1", "2")
    assert "env:" not in said.body.decode()
    assert "base_url" not in said.body.decode()
    assert (await house.ask("GET", "/v1/models/duo")).json() == duo


async def test_models_with_a_bad_key_are_refused(house: House) -> None:
    for path in ("/v1/models", "/v1/models/solo"):
        said = await house.ask("GET", path, {"authorization": "Bearer thk_live_bad"})
        assert (said.status, said.error["code"]) == (401, "invalid_api_key")


async def test_models_that_nobody_here_can_serve_are_not_listed(house: House) -> None:
    """Vendors without a credential sell nothing."""
    catalog = house.parts.snapshots.current.catalog
    unsold = next(
        name for name, model in catalog.models.items() if {e.provider.name for e in model.endpoints} == {"openai"}
    )
    listed = {model["id"] for model in (await house.ask("GET", "/v1/models")).json()["data"]}
    assert unsold not in listed
    assert (await house.ask("GET", f"/v1/models/{unsold}")).status == 404
    said = await house.chat(unsold)
    assert (said.status, said.error["code"]) == (503, "no_provider_available")
    assert "OPENAI" not in said.body.decode()


async def test_a_listed_price_is_of_a_provider_that_can_serve_here(house: House) -> None:
    """A cheaper one without a credential is neither listed nor on the front page."""
    snapshot, clock = house.parts.snapshots.current, house.parts.world.clock
    without = build_snapshot(
        snapshot.catalog, snapshot.policy, lambda provider: "k" if provider.name == "beta" else None, clock
    )
    duo = without.documents.model("duo", clock.now())
    assert [provider["name"] for provider in duo["providers"]] == ["beta"]
    assert (duo["pricing"]["input"], duo["pricing"]["output"]) == ("2", "4")
    assert (
        'duo</code><span class="on">available</span></th><td class="n less">200k</td><td class="n">$2.00'
        in render_page(front_template({}), without, "h", clock.now()).decode()
    )


async def test_an_unknown_model_is_told_with_the_nearest(house: House) -> None:
    for said in (await house.chat("quadd"), await house.message("quadd"), await house.get("/v1/models/quadd")):
        assert (said.status, said.error["code"]) == (404, "model_not_found")
        assert "quad." in said.error["message"] or "quad," in said.error["message"]
        assert "x-tokenharbor-model" not in said.headers
    long = "x" * 250
    assert len((await house.chat(long)).error["message"]) < 300


async def test_the_balance(house: House) -> None:
    assert (await house.get("/v1/account/balance")).json() == {
        "balance_usd": "100.000000000",
        "held_usd": "0.000000000",
        "debt_usd": "0.000000000",
        "currency": "USD",
        "pools": {pool: "100.000000000" if pool == "paid" else "0.000000000" for pool in POOLS},
    }
    cost = Usd.parse((await house.chat()).headers["x-tokenharbor-cost-usd"])
    assert cost > 0
    left = str(Usd(Usd.parse("100") - cost))
    said = (await house.get("/v1/account/balance")).json()
    assert (said["balance_usd"], said["pools"]["paid"]) == (left, left)


POOLS = ("paid", "trial", "match", "locked", "promo")


async def test_a_balance_says_what_open_requests_hold(house: House) -> None:
    house.script("[[rules]]\nfault = { kind = 'stall', where = 'mid' }")
    quoted = (await house.post("/v1/chat/completions?dry_run=1", {"model": "solo", "messages": HELLO})).json()["quote"]
    stream = await house.chats().chat.completions.create(model="solo", messages=HELLO, stream=True)
    async with stream:
        await anext(stream)
        available, held = await house.money()
        assert Usd.parse(held) > Usd.parse(quoted["amount_usd"]) * 99 // 100 > 0
        assert Usd.parse(available) == Usd.parse("100") - Usd.parse(held)


async def test_a_receipt_is_its_own_accounts(house: House) -> None:
    said = await house.chat()
    mine = said.headers["x-request-id"]
    assert (await house.receipt(mine))["id"] == mine
    failed = await house.chat("nothing")
    assert (await house.get(f"/v1/requests/{failed.headers['x-request-id']}")).status == 404
    house.payer = await house.new_payer()
    for request_id in (mine, "req_00000000000000000000000000"):
        stranger = await house.get(f"/v1/requests/{request_id}")
        assert (stranger.status, stranger.error["code"]) == (404, "not_found")
    assert (await house.get("/v1/requests")).json() == {"object": "list", "data": []}


@pytest.mark.parametrize("name", ["1", "req_", "req_!", "key_00000000000000000000000000", "req_" + "z" * 26, "a/b"])
async def test_what_is_no_request_id(house: House, name: str) -> None:
    said = await house.get(f"/v1/requests/{name}")
    assert (said.status, said.error["param"]) == (400, "id")


async def test_the_latest_requests_come_first(house: House) -> None:
    made = [(await house.chat()).headers["x-request-id"] for _ in range(3)]
    made.append((await house.message(stream=True)).headers["x-request-id"])
    rows = (await house.get("/v1/requests")).json()["data"]
    assert [row["id"] for row in rows] == made[::-1]
    assert [row["stream"] for row in rows] == [True, False, False, False]
    rows = (await house.get("/v1/requests?limit=2")).json()["data"]
    assert [row["id"] for row in rows] == made[:1:-1]
    assert len((await house.get("/v1/requests?limit=1000")).json()["data"]) == 4


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", "1.5", "", "+5", "٣", "1" * 30, "5&limit=x"])
async def test_a_limit_is_a_number_from_1_to_1000(house: House, limit: str) -> None:
    encoded = limit.encode().decode("latin-1") if limit.isascii() else "%D9%A3"
    said = await house.get(f"/v1/requests?limit={encoded}")
    assert (said.status, said.error["code"], said.error["param"]) == (400, "invalid_request", "limit")
