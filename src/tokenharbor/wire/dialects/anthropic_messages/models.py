"""Model lists for Anthropic's clients: one page of the catalogue's own objects."""

from collections.abc import Mapping, Sequence
from typing import Any


def write_models(models: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        "data": models,
        "has_more": False,
        "first_id": models[0]["id"] if models else None,
        "last_id": models[-1]["id"] if models else None,
    }


def write_model(model: Mapping[str, Any]) -> Mapping[str, Any]:
    return model
