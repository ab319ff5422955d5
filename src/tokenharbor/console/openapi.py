"""The OpenAPI document of the control API, from which clients are generated."""

import re
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from tokenharbor.console.authority import Right
from tokenharbor.console.errors import ROUTER_PREFIX, ErrorDocument, RouterErrorDocument
from tokenharbor.console.usd_number import UsdNumber
from tokenharbor.kernel.money import Usd

_METHODS = ("get", "post", "put", "patch", "delete")
_PAGE_TITLE = re.compile(r"Page\[(\w+)\]")


class UsdSchema(OpenAPISchemaPlugin):
    """The schemas of amounts: `Usd` is a decimal string; `UsdNumber`, and `Decimal` in requests, are numbers."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return value in (Usd, UsdNumber, Decimal)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:  # noqa: ARG002  the plugin's signature
        if field_definition.annotation is not Usd:
            return Schema(type=OpenAPIType.NUMBER, description="US dollars")
        return Schema(type=OpenAPIType.STRING, pattern=r"^-?\d{1,10}(\.\d{1,9})?$", description="US dollars")


@get("/api/openapi.json", right=Right.ANYBODY, operation_id="getOpenApi", include_in_schema=False)
async def read_openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the OpenAPI 3.1 document of this API."""
    document = msgspec.json.encode(openapi_document(request.app))
    return Response(document, media_type="application/json", headers={"cache-control": "public, max-age=60"})


def openapi_document(app: Litestar) -> dict[str, Any]:
    """Return the framework's document, with each route's right (`x-right`), security schemes and errors added."""
    document = app.openapi_schema.to_schema()
    rights = {
        (route.path_format, method.lower()): handler.opt["right"]
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if "right" in handler.opt
        for method in handler.http_methods
    }
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                _describe(path, operations[method], rights[path, method])
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": "__Host-th"},
        "managementKey": {"type": "http", "scheme": "bearer", "description": "A management key: thm_live_…"},
    }
    schemas = components.setdefault("schemas", {})
    errors = (ErrorDocument, RouterErrorDocument)
    _, own = msgspec.json.schema_components(errors, ref_template="#/components/schemas/{name}")
    schemas.update(own)
    return _with_plain_names(document)


def _describe(path: str, operation: dict[str, Any], right: Right) -> None:
    answers = operation["responses"]
    for status in [status for status in answers if status.startswith(("4", "5"))]:
        del answers[status]
    router_shape = path.startswith(ROUTER_PREFIX)
    error = RouterErrorDocument if router_shape else ErrorDocument
    reference = {"$ref": f"#/components/schemas/{error.__name__}"}
    answers["default"] = {"description": "An error", "content": {"application/json": {"schema": reference}}}
    operation["x-right"] = right.value
    ways = ("managementKey",) if router_shape else ("session", "managementKey")
    operation["security"] = [] if right is Right.ANYBODY else [{way: []} for way in ways]


def _with_plain_names(document: dict[str, Any]) -> dict[str, Any]:
    """Rename page schemas after their documents, without module names: `AccountPage`."""
    names = {
        name: f"{found[1].removesuffix('Document')}Page"
        for name, schema in document["components"]["schemas"].items()
        if (found := _PAGE_TITLE.fullmatch(schema.get("title", "")))
    }
    text = msgspec.json.encode(document).decode()
    for name, plain in names.items():
        text = text.replace(f'"{name}":', f'"{plain}":').replace(f'schemas/{name}"', f'schemas/{plain}"')
    named: dict[str, Any] = msgspec.json.decode(text)
    return named
