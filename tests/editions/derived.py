"""Editions for tests: a shipped one with some fields changed, so that no test repeats the others."""

from collections.abc import Mapping

from msgspec.structs import replace

from tokenharbor.editions.load import load_edition, write_edition
from tokenharbor.editions.policy import Policy

Fields = Mapping[str, object]


def derive(base: str, **sections: Fields) -> Policy:
    """Return a shipped edition with changed fields: `derive("relay", price={"markup_bp": 500})`."""
    policy = load_edition(base)
    changed = {name: replace(getattr(policy, name), **fields) for name, fields in sections.items()}
    return replace(policy, **changed)


def derive_text(base: str, **sections: Fields) -> str:
    """Likewise, as an edition's file."""
    return write_edition(derive(base, **sections))
