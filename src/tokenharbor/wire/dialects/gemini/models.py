"""Model lists for Gemini's clients."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenharbor.wire.dialects.gemini.paths import METHODS


def write_models(models: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"models": [write_model(each) for each in models]}


def write_model(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return one model. Its methods are those of this dialect's paths, which serve any chat model; other models have
    other paths.
    """
    return {
        "name": f"models/{model['id']}",
        "displayName": model["display_name"],
        "inputTokenLimit": model["context_length"],
        "outputTokenLimit": model["max_output_tokens"],
        "supportedGenerationMethods": list(METHODS) if "chat" in model["surfaces"] else [],
    }
