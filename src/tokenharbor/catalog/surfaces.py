"""The surfaces of models: chat and others, and the prices that each needs to be sold."""

from collections.abc import Collection, Mapping, Sequence

CHAT = "chat"
CONVENTION = "openai_chat"
"""The wire whose providers also offer the other surfaces."""

FORMS = frozenset({"image_edits", "transcriptions", "videos"})
"""Surfaces with forms that are forwarded while they arrive, so that their body cannot be signed as a whole."""

_BY_TOKENS = frozenset({"input", "output"})

NEEDS: Mapping[str, Sequence[frozenset[str]]] = {
    CHAT: (_BY_TOKENS,),
    "embeddings": (frozenset({"input"}),),
    "images": (frozenset({"image"}), _BY_TOKENS),
    "image_edits": (frozenset({"image"}), _BY_TOKENS),
    "speech": (frozenset({"character"}),),
    "rerank": (frozenset({"search_unit"}), frozenset({"input"})),
    "transcriptions": (frozenset({"second"}), _BY_TOKENS),
    "videos": (frozenset({"second"}),),
}
"""For each surface, groups of price fields of which one group must be stated: unpriced units would be free."""


def uncovered_surface(surfaces: Collection[str], stated: Collection[str]) -> tuple[str, str] | None:
    """Return the first surface that these price fields do not cover, and what it needs, in words."""
    for surface in sorted(surfaces):
        groups = NEEDS[surface]
        if not any(group <= set(stated) for group in groups):
            return surface, ", or ".join(" and ".join(sorted(group)) for group in groups)
    return None
