"""Image edits: images from images and text, billed like image generation."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.count.most_tokens import text_size
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import MediaDemand, Request
from tokenharbor.wire.surfaces.forms import (
    COMMON,
    NOT_TRUE,
    UploadForm,
    read_count,
    read_model,
    read_text,
    read_word,
    refuse,
    refuse_tiers,
)
from tokenharbor.wire.surfaces.images import DRAWN, IN_OTHER_WORDS, MOST_IMAGES, OTHER_WORDS, read_images


class ImageEdits:
    """The surface `image_edits`."""

    name = "image_edits"
    path = "/images/edits"
    passes = False
    known = (
        COMMON
        | OTHER_WORDS
        | {
            "background",
            "image",
            "image[]",
            "input_fidelity",
            "mask",
            "n",
            "output_compression",
            "output_format",
            "partial_images",
            "quality",
            "response_format",
            "size",
            "stream",
        }
    )

    def check_field(self, name: str, value: bytes) -> None:
        refuse_tiers(name, value)
        if name in ("stream", "partial_images"):
            why = "asks for partial images, whose cost is not reported, so it is not supported: remove it."
            refuse(name, value, NOT_TRUE, why)
        if name in OTHER_WORDS or name == "sequential_image_generation":
            refuse(name, value, frozenset({b""}), IN_OTHER_WORDS)
        if name == "output_format" and value == b"svg":
            raise InvalidRequest(f"`{name}` {DRAWN}", param=name)

    def read_form(self, form: UploadForm) -> Request:
        if not form.reader.files:
            raise InvalidRequest("`image` is missing: send at least one file.", param="image")
        prompt = read_text(form, "prompt")
        demand = MediaDemand(
            self.name,
            items=1,
            images=read_count(form, "n", MOST_IMAGES) or 1,
            upload_bytes=form.length,
            size=read_word(form, "size"),
            quality=read_word(form, "quality"),
        )
        return Request(
            dialect=self.name,
            body=b"",
            members={},
            model=read_model(form),
            size=msgspec.structs.replace(text_size(prompt.encode()), images=form.reader.files),
            demand=demand,
        )

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:
        return read_images(request, body)
