"""The OpenAPI document, from which clients are generated."""

import json
from collections.abc import Iterator
from typing import Any

from tests.console.conftest import Office

from tokenharbor.console.app import make_app
from tokenharbor.console.authority import Right
from tokenharbor.console.openapi import openapi_document

DOCUMENT = openapi_document(make_app())


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


async def test_it_is_served_to_anybody(office: Office) -> None:
    said = await office.anybody.get("/api/openapi.json")
    assert (said.status_code, said.json()) == (200, DOCUMENT)


def test_every_operation_states_its_right_its_id_and_its_errors() -> None:
    found = list(operations())
    seen = [operation["operationId"] for _, _, operation in found]
    assert len(seen) == len(set(seen))
    for method, path, operation in found:
        assert operation["x-right"] in set(Right), (method, path)
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)
        assert not {status for status in operation["responses"] if status.startswith(("4", "5"))}, (method, path)
        error = operation["responses"]["default"]["content"]["application/json"]["schema"]
        router_shape = path.startswith("/v1/")
        shape = "RouterErrorDocument" if router_shape else "ErrorDocument"
        assert error == {"$ref": f"#/components/schemas/{shape}"}, (method, path)
        ways: list[dict[str, list[str]]] = (
            [{"managementKey": []}] if router_shape else [{"session": []}, {"managementKey": []}]
        )
        assert operation["security"] == ([] if operation["x-right"] == Right.ANYBODY else ways), (method, path)


def test_what_it_refers_to_is_in_it_under_a_plain_name() -> None:
    text, schemas = json.dumps(DOCUMENT), DOCUMENT["components"]["schemas"]
    for reference in {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
        assert reference in schemas, reference
    assert all(name.isidentifier() for name in schemas), list(schemas)
    assert schemas["AccountPage"]["required"] == ["data", "next_cursor"]


def test_amounts_are_strings_and_numbers_only_where_clients_of_routers_read_them() -> None:
    topups = DOCUMENT["components"]["schemas"]["TopUpOfferDocument"]["properties"]
    assert topups["min_usd"]["type"] == "string"
    limit = DOCUMENT["components"]["schemas"]["RouterKeyDocument"]["properties"]["limit"]
    assert {"type": "null"} in limit["oneOf"]
    assert any(each.get("type") == "number" for each in limit["oneOf"])
    numbers = {name for name, schema in DOCUMENT["components"]["schemas"].items() if '"number"' in json.dumps(schema)}
    assert numbers == {"RouterKeyDocument", "NewRouterKeyBody", "RouterKeyBody"}
