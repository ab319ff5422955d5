"""Models as Gemini's clients list them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenharbor.wire.dialects.gemini.paths import METHODS


def write_models(models: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"models": [write_model(each) for each in models]}


def write_model(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The methods are those of these clients' paths: any model that chats is asked by them, others by other paths."""
    return {
        "name": f"models/{model['id']}",
        "displayName": model["display_name"],
        "inputTokenLimit": model["context_length"],
        "outputTokenLimit": model["max_output_tokens"],
        "supportedGenerationMethods": list(METHODS) if "chat" in model["surfaces"] else [],
    }
