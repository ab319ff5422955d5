"""Routes of the edition."""

from tests.console.conftest import Office


async def test_whoever_has_not_signed_in_sees_what_the_service_offers(office: Office) -> None:
    said = await office.anybody.get("/api/edition")
    assert said.status_code == 200
    shown = said.json()
    assert (shown["name"], shown["welcome_usd"]) == ("token-harbor", "5.000000000")
    assert shown["topups"]["packs_usd"][0] == "10.000000000"
