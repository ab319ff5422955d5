"""A small catalogue of an operator, beside the shipped one."""

from collections.abc import Callable
from typing import Any

import pytest

from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.types import Catalog

DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini")
Load = Callable[[dict[str, Any]], Catalog]


@pytest.fixture
def load() -> Load:
    """Load an operator's tables over the shipped ones."""
    return lambda operator: load_catalog(operator, DIALECTS)


@pytest.fixture
def operator() -> dict[str, Any]:
    """The contract's example, and a second provider of the same model."""
    return {
        "edition": "token-harbor",
        "providers": {
            "acme": {
                "wire": "openai_chat",
                "base_url": "http://127.0.0.1:9101/v1",
                "credential": "env:ACME_KEY",
                "region": "cn",
                "retention": "none",
                "max_field": "max_tokens",
                "timeouts": {"connect": 5, "first_event": 300, "between_events": 120, "total": 900},
            },
            "other": {
                "wire": "openai_chat",
                "base_url": "http://127.0.0.1:9102/v1",
                "credential": "file:/key",
                "max_field": "max_completion_tokens",
            },
        },
        "models": {
            "acme-v3.2": {
                "vendor": "other",
                "context": 131072,
                "max_output": 8192,
                "capabilities": ["tools", "json_schema", "vision", "pdf", "reasoning", "audio"],
                "aliases": ["acme-v3.2-20260101"],
                "endpoints": [
                    {
                        "provider": "acme",
                        "upstream_model": "acme-up",
                        "price": {"input": "0.28", "output": "0.42", "cache_read": "0.028", "cache_write": "0.35"},
                    },
                    {"provider": "other", "price": {"input": "0.5", "output": "1"}},
                ],
            },
        },
    }
