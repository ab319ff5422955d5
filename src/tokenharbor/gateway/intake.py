"""The intake of a form: buffered until its model is known, then passed on piece by piece."""

from tokenharbor.http.client import Upload
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.count.wav import seconds_of
from tokenharbor.wire.framing.multipart import FormField, FormReader, boundary_of
from tokenharbor.wire.neutral.request import Edit, Request
from tokenharbor.wire.surfaces.forms import FormSurface, UploadForm, write_form


class FormIntake:
    """One request's form as it arrives. `consumed`: a part went to a provider and was not kept, so no other provider
    can be asked. `ended`: all of it has arrived.
    """

    def __init__(self, exchange: Exchange, surface: FormSurface) -> None:
        self._exchange = exchange
        self._surface = surface
        self._boundary = boundary_of(exchange.header_map.get(b"content-type"))
        self._reader = FormReader(self._boundary, surface.known)
        self._checked: dict[str, FormField] = {}
        self._buffered: list[bytes] = []
        self.ended = False
        self.consumed = False
        self.line = b'content-type: multipart/form-data; boundary="%b"\r\n' % self._boundary

    async def begin(self) -> UploadForm:
        """Read up to the model and into the file, on surfaces that pass files on; else read all of the form."""
        while not self.ended and not (self._surface.passes and self._is_model_known()):
            piece = await self._read_piece()
            self._exchange.keep(len(piece))
            self._buffered.append(piece)
        if "model" not in self._reader.fields:
            raise InvalidRequest("`model` is missing: use a model from GET /v1/models.", param="model")
        return UploadForm(b"".join(self._buffered), self._boundary, self._reader, self._exchange.body_bound)

    @property
    def received_sound(self) -> tuple[int, int]:
        """The bytes of its files so far, and their seconds of sound if a WAV header states them."""
        reader = self._reader
        return reader.file_bytes, seconds_of(reader.file_head, reader.file_bytes)

    def upload(self, form: UploadForm, request: Request, edit: Edit) -> Upload:
        """Return the form as it is sent to one provider."""
        first = write_form(form, request, edit)
        declared = self._exchange.header(b"content-length")
        if self.ended:
            length: int | None = len(first)
        else:
            length = None if declared is None else int(declared) + len(first) - len(form.buffered)
        return Upload(first, self._next_upload_piece, length)

    async def _next_upload_piece(self) -> bytes:
        if self.ended:
            return b""
        self.consumed = True
        return await self._read_piece()

    def _is_model_known(self) -> bool:
        return "model" in self._reader.fields and self._reader.in_file

    async def _read_piece(self) -> bytes:
        piece = await self._exchange.read_piece()
        if piece:
            self._reader.feed(piece)
        else:
            self.ended = True
            self._reader.close()
        fields = self._reader.fields
        for name in fields.keys() - self._checked.keys():
            self._checked[name] = fields[name]
            self._surface.check_field(name, fields[name].value)
        return piece
