"""Model lists for OpenAI's clients: the catalogue's own objects, with all of their fields."""

from collections.abc import Mapping, Sequence
from typing import Any


def write_models(models: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"object": "list", "data": models}


def write_model(model: Mapping[str, Any]) -> Mapping[str, Any]:
    return model
