"""The surfaces of OpenAI's API beside chat: SURFACES take JSON, FORMS take forms with files."""

from collections.abc import Mapping

from tokenharbor.wire.surfaces.edits import ImageEdits
from tokenharbor.wire.surfaces.embeddings import Embeddings
from tokenharbor.wire.surfaces.forms import FormSurface
from tokenharbor.wire.surfaces.images import ImageGenerations
from tokenharbor.wire.surfaces.rerank import Rerank
from tokenharbor.wire.surfaces.speech import Speech
from tokenharbor.wire.surfaces.surface import Surface
from tokenharbor.wire.surfaces.transcriptions import Transcriptions
from tokenharbor.wire.surfaces.videos import Videos

SURFACES: Mapping[str, Surface] = {
    surface.name: surface for surface in (Embeddings(), ImageGenerations(), Speech(), Rerank())
}
FORMS: Mapping[str, FormSurface] = {surface.name: surface for surface in (Transcriptions(), ImageEdits(), Videos())}
