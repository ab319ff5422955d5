"""Routes of models."""

import msgspec
from tests.console.conftest import Office

from tokenharbor.catalog.documents import ModelDocument


async def test_TH_A7_models_are_shown_to_whoever_asks_as_they_are_described(office: Office) -> None:
    said = await office.anybody.get("/api/models")
    shown = msgspec.json.decode(said.content, type=list[ModelDocument])
    assert [model.id for model in shown] == sorted(office.context.catalog().models)
    assert msgspec.json.decode(msgspec.json.encode(shown)) == said.json(), "nothing that is not described"
    priced = next(model for model in shown if model.pricing is not None)
    one = await office.anybody.get(f"/api/models/{priced.id}")
    assert one.json() == next(each for each in said.json() if each["id"] == priced.id)
    assert (await office.anybody.get("/api/models/none")).status_code == 404
