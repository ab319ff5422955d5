"""Models as Anthropic's clients list them: all on one page, each the catalogue's own object."""

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
