"""The table of paths: what each path means; a dialect's own paths are served without a line in the gateway."""

import pytest
from tests.gateway.house import CHAT, HELLO, House

from tokenharbor.gateway.path_table import PathTable
from tokenharbor.gateway.routes import ROUTES, grouped_paths, routes_of
from tokenharbor.wire.dialects.gemini.counts import write_count
from tokenharbor.wire.dialects.openai_chat import OpenAIChat
from tokenharbor.wire.neutral.dialect import AnswerPath, ClientPath, CountPath, ModelInPath, ModelListPath, ModelPath
from tokenharbor.wire.neutral.request import Request

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABLE = PathTable(ROUTES)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1beta/models/m:generateContent", ("/v1beta/models/{model}:generateContent", "m")),
        ("/v1/models/m:streamGenerateContent", ("/v1/models/{model}:streamGenerateContent", "m")),
        ("/v1beta/models/alpha%2Fm:countTokens", ("/v1beta/models/{model}:countTokens", "alpha/m")),
        (
            "/v1beta/models/alpha/m%3Acloud%3AgenerateContent",
            ("/v1beta/models/{model}:generateContent", "alpha/m:cloud"),
        ),
        ("/v1beta/models/m", ("/v1beta/models/{model}", "m")),
        ("/v1beta/models/:generateContent", ("/v1beta/models/{model}", ":generateContent")),
        ("/v1/videos/video_1/content", ("/v1/videos/{id}/content", "video_1")),
        ("/v1/models/", None),
        ("/v1/models/{model}x", ("/v1/models/{model}", "{model}x")),
        (CHAT, None),
    ],
)
async def test_a_path_says_what_is_asked_and_of_what(path: str, meant: tuple[str, str] | None) -> None:
    found = next(TABLE.named(path), None)
    assert (found and (found[0].path, found[1])) == meant


async def test_no_two_routes_are_one() -> None:
    rows = [(method, route.path) for route in ROUTES for method in route.methods]
    assert len(rows) == len(set(rows))
    for route in ROUTES:
        assert route in TABLE.at(route.path.replace("{model}", "m").replace("{id}", "i").replace("{page}", "p"))


def read_kin(body: bytes, place: ModelInPath | None) -> Request:
    assert place is not None
    return OpenAIChat().read_request(body)


class Kin(OpenAIChat):
    """A dialect with paths that no other has."""

    label = "Kin"
    key_header: bytes | None = b"x-kin-key"
    paths: tuple[ClientPath, ...] = (
        AnswerPath("/v9/ask"),
        CountPath("/v9/kins/{model}:weigh", read_kin, write_count),
        ModelListPath("/v9/kins"),
        ModelPath("/v9/kins/{model}"),
    )


async def test_a_new_dialects_paths_are_served_refused_and_listed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kin = list(routes_of([Kin()]))
    house.add_routes(monkeypatch, kin)
    body = {"model": "solo", "messages": HELLO, "max_tokens": 5}
    assert (await house.post("/v9/ask", body)).status == 200
    assert (await house.post("/v9/kins/solo:weigh", body)).json()["totalTokens"] > 0
    assert "solo" in [each["id"] for each in (await house.get("/v9/kins")).json()["data"]]
    assert (await house.get("/v9/kins/solo")).json()["id"] == "solo"
    said = await house.get("/v9/ask")
    assert (said.status, said.headers["allow"]) == (405, "POST, OPTIONS")
    assert (await house.ask("OPTIONS", "/v9/nothing")).headers["access-control-allow-origin"] == "*"
    for wrong, right in (("/v9/asks", "/v9/ask"), ("/kins/solo:weigh", "/v9/kins/solo:weigh")):
        said = await house.post(wrong, body)
        assert (said.status, said.error["message"].split()[-1]) == (404, f"{right}.")
    assert "weigh" in (await house.post("/v9/kins/solo:lift", body)).error["message"]
    assert grouped_paths(kin) == {"Kin": [each.path for each in Kin.paths]}


async def test_the_dialect_of_a_path_is_that_of_whoever_alone_calls_it() -> None:
    kin = Kin()
    table = PathTable((*ROUTES, *routes_of([kin])))
    for path in ("/v9/ask", "/v9/ask/nothing", "/v9/nothing", "/v9/kins/m:weigh"):
        assert table.dialect_of(path) is kin, path
    for path in ("/v1/models/m", "/v1/account/balance", "/nothing"):
        assert table.dialect_of(path, [b"x-kin-key"]) is not kin, path
    gemini = table.dialect_of("/v1beta/models")
    assert table.dialect_of("/v1/models/m", [b"x-goog-api-key"]) is gemini
    for path in ("/v1/models", "/v1/account/balance", "/v1/nothing"):
        assert table.dialect_of(path, [b"x-goog-api-key"]) is not gemini, path
