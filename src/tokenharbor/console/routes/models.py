"""Routes of the models on sale, readable without a sign-in."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from tokenharbor.catalog.documents import ModelDocument
from tokenharbor.console.authority import Right
from tokenharbor.console.context import Context
from tokenharbor.kernel.errors import NotFound

_MODELS = ResponseSpec(list[ModelDocument], generate_examples=False, description="The models on sale, by name")
_MODEL = ResponseSpec(ModelDocument, generate_examples=False, description="The model")


@get("/api/models", right=Right.ANYBODY, operation_id="listModels", tags=["models"], responses={200: _MODELS})
async def list_models(context: Context) -> Response[bytes]:
    """List the models that an available provider serves, at the prices of an account without a plan."""
    models, now = context.models(), context.world.clock.now()
    return _json([models.documents.model(name, now) for name in models.names])


@get(
    "/api/models/{model_id:str}",
    right=Right.ANYBODY,
    operation_id="getModel",
    tags=["models"],
    responses={200: _MODEL},
)
async def show_model(context: Context, model_id: FromPath[str]) -> Response[bytes]:
    """Get a model by its canonical name."""
    models = context.models()
    if model_id not in models.names:
        raise NotFound("There is no such model on sale. GET /api/models lists them.")
    return _json(models.documents.model(model_id, context.world.clock.now()))


MODEL_ROUTES: Final[Sequence[HTTPRouteHandler]] = (list_models, show_model)


def _json(document: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(document), media_type="application/json")
