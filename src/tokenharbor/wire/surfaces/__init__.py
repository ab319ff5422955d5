"""The surfaces of OpenAI's convention beside chat. SURFACES is the table of them."""

from collections.abc import Mapping

from tokenharbor.wire.surfaces.embeddings import Embeddings
from tokenharbor.wire.surfaces.images import Images
from tokenharbor.wire.surfaces.rerank import Rerank
from tokenharbor.wire.surfaces.speech import Speech
from tokenharbor.wire.surfaces.surface import Surface

SURFACES: Mapping[str, Surface] = {surface.name: surface for surface in (Embeddings(), Images(), Speech(), Rerank())}
