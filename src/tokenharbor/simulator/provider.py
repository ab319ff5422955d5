"""The simulated provider's handler: answers each request by the script and records it."""

import asyncio
import re
from typing import Literal

import msgspec

from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Disconnected
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.world import World
from tokenharbor.simulator.anthropic_messages import SimulatedAnthropicMessages
from tokenharbor.simulator.bedrock_converse import SimulatedBedrockConverse
from tokenharbor.simulator.choose import RequestFacts, RuleChooser
from tokenharbor.simulator.dialect import ErrorFields, SimulatedDialect, SimulatedRequest, VendorError
from tokenharbor.simulator.gemini import SimulatedGemini
from tokenharbor.simulator.model import RequestSeed, make_reply
from tokenharbor.simulator.openai_chat import SimulatedOpenAIChat
from tokenharbor.simulator.openai_responses import SimulatedOpenAIResponses
from tokenharbor.simulator.perform import perform
from tokenharbor.simulator.record import SimulatorRecord, SimulatorRecords, digest
from tokenharbor.simulator.script import CannedAnswer, Script, ScriptRule, read_script
from tokenharbor.simulator.steps import AnswerSpec, SendWhole, Step, plan_refusal, plan_steps
from tokenharbor.simulator.surfaces import SimulatedSurface, surface_at
from tokenharbor.simulator.videos import SimulatedVideoRequest, SimulatedVideos
from tokenharbor.wire.framing.json_values import UNREADABLE

BANNER = "Token Harbor's provider simulator: canned answers for tests, demos and benches. No model runs here."

_JSON_HEADERS = b"content-type: application/json\r\nx-simulated: true\r\n"
_TEXT_HEADERS = b"content-type: text/plain; charset=utf-8\r\nx-simulated: true\r\n"
_CHAT = SimulatedOpenAIChat()
_MESSAGES = SimulatedAnthropicMessages()
_WIRES: dict[str, SimulatedDialect] = {
    "/chat/completions": _CHAT,
    "/responses": SimulatedOpenAIResponses(),
    "/messages": _MESSAGES,
}
_KNOWN = (
    "/v1/chat/completions, /v1/responses, /v1/messages, /model/MODEL/converse, "
    "/models/MODEL:generateContent, /v1/models, /simulator/requests, /simulator/script"
)
_SIGNED_BY = re.compile(rb"AWS4-HMAC-SHA256 Credential=([^/]+)/")
_COUNT = "/messages/count_tokens"


class _RequestGlance(msgspec.Struct, frozen=True, gc=False):
    model: str
    stream: bool | None = None


_decode_quickly = msgspec.json.Decoder(_RequestGlance).decode


class _FixedAnswers:
    """Fixed whole answers for benchmarks, sent before any other processing, so that the simulator's own cost is
    negligible.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], SendWhole] = {}

    def learn(self, path: str, model: str, steps: list[Step]) -> None:
        match steps:
            case [SendWhole() as whole]:
                self._answers[path, model] = whole

    def answer(self, exchange: Exchange, body: bytes) -> bool:
        try:
            request = _decode_quickly(body)
        except UNREADABLE:
            return False
        whole = None if request.stream else self._answers.get((exchange.path, request.model))
        if whole is not None:
            exchange.respond(whole.status, whole.headers, whole.piece.data)
        return whole is not None


class SimulatedProvider:
    """Answers exchanges by the current script."""

    def __init__(self, world: World, script: Script) -> None:
        self._world = world
        self._serial = 0
        self._videos = SimulatedVideos()
        self.records = SimulatorRecords(script.keep_records)
        self.set_script(script)

    def set_script(self, script: Script) -> None:
        """Use another script from the next request on; numbers restart, ids and records continue."""
        self.script = script
        self._chooser = RuleChooser(script)
        self._number = 0
        self._fixed: dict[tuple[object, ...], list[Step]] = {}
        plain = script.answer.fixed and not (script.rules or script.credentials or script.keep_records)
        self._fixed_answers = _FixedAnswers() if plain else None

    async def handle(self, exchange: Exchange) -> None:
        wire = self._wire(exchange) if exchange.method == "POST" else None
        if wire is None:
            await self._serve_rest(exchange)
            return
        body = await exchange.read_body()
        if self._fixed_answers is not None and self._fixed_answers.answer(exchange, body):
            return
        self._number += 1
        self._serial += 1
        record = self._record(exchange, wire, body)
        if not self.script.keep_records:
            await self._answer(exchange, wire, body, record)
            return
        self.records.begin(record)
        try:
            await self._answer(exchange, wire, body, record)
        except (asyncio.CancelledError, Disconnected):
            record.hung_up = True
            raise
        finally:
            self.records.finish(record, self._world.clock.unix_ms())

    def _wire(self, exchange: Exchange) -> SimulatedDialect | None:
        if exchange.path.endswith("/videos"):
            return SimulatedVideoRequest(exchange, self._videos)
        return _wire(exchange.path) or surface_at(exchange)

    def _record(self, exchange: Exchange, wire: SimulatedDialect, body: bytes) -> SimulatorRecord:
        keep = self.script.keep_bodies
        return SimulatorRecord(
            id=f"sim-{self.script.seed}-{self._serial:06d}",
            number=self._number,
            path=exchange.path,
            wire=wire.name,
            model="",
            stream=False,
            credential=_credential(exchange),
            body_sha256=digest(body) if self.script.keep_records else "",
            body=body.decode(errors="replace") if keep else None,
            headers=_headers(exchange) if keep else None,
            started_ms=self._world.clock.unix_ms(),
        )

    async def _answer(self, exchange: Exchange, wire: SimulatedDialect, body: bytes, record: SimulatorRecord) -> None:
        try:
            self._check_credential(record.credential)
            request = wire.read(body)
        except VendorError as refusal:
            fields = ErrorFields(message=refusal.message, param=refusal.param)
            await perform(exchange, plan_refusal(wire, record.id, refusal.status, fields), record)
            return
        record.model, record.stream = request.model, request.stream
        rule = self._choose(exchange, body, record)
        await perform(exchange, self._steps(wire, request, record, rule), record)

    def _check_credential(self, credential: str) -> None:
        if self.script.credentials and credential not in self.script.credentials:
            raise VendorError(401, "The simulator rejected this API key.")

    def _choose(self, exchange: Exchange, body: bytes, record: SimulatorRecord) -> ScriptRule:
        if not self.script.rules:
            return _NO_RULE
        facts = RequestFacts(
            record.wire, record.path, record.model, record.stream, record.credential, _headers(exchange), body
        )
        chosen = self._chooser.choose(facts)
        if chosen is None:
            return _NO_RULE
        record.rule, rule = chosen
        record.fault = None if rule.fault is None else str(rule.fault.__struct_config__.tag)
        return rule

    def _steps(
        self, wire: SimulatedDialect, request: SimulatedRequest, record: SimulatorRecord, rule: ScriptRule
    ) -> list[Step]:
        answer = rule.answer or self.script.answer
        if not answer.fixed or isinstance(wire, SimulatedSurface):
            return self._plan(wire, request, record, rule)
        key = (wire.name, request.model, request.stream, request.wants_usage, record.rule)
        steps = self._fixed.get(key)
        if steps is None:
            steps = self._fixed[key] = self._plan(wire, request, record, rule)
            if self._fixed_answers is not None and not request.stream:
                self._fixed_answers.learn(record.path, request.model, steps)
        return steps

    def _plan(
        self, wire: SimulatedDialect, request: SimulatedRequest, record: SimulatorRecord, rule: ScriptRule
    ) -> list[Step]:
        answer: CannedAnswer = rule.answer or self.script.answer
        number = RequestSeed(self.script.seed, record.number, record.started_ms // 1000)
        reply = make_reply(answer, request, number, answer.id or record.id)
        reply = msgspec.structs.replace(reply, usage=wire.fold(reply.usage))
        spec = AnswerSpec(wire, request.stream, reply, answer.first_ms, answer.delay_ms if request.stream else 0)
        return plan_steps(spec, rule.fault)

    # Other paths

    async def _serve_rest(self, exchange: Exchange) -> None:
        body = await exchange.read_body()
        if exchange.method == "GET" and self._videos.answer(exchange):
            return
        match exchange.method, exchange.path:
            case (("GET" | "HEAD"), "/"):
                exchange.respond(200, _TEXT_HEADERS, BANNER.encode() + b"\n")
            case "GET", "/simulator/requests":
                exchange.respond(200, _JSON_HEADERS, msgspec.json.encode(self.records.list()))
            case "DELETE", "/simulator/requests":
                self.records.clear()
                exchange.respond(204, _JSON_HEADERS, b"")
            case "POST", "/simulator/script":
                self._replace_script(exchange, body)
            case "GET", path if path.endswith("/models"):
                exchange.respond(200, _JSON_HEADERS, self._models(exchange.header(b"anthropic-version") is not None))
            case "POST", path if path.endswith(_COUNT):
                self._count(exchange, body)
            case _, path:
                self._refuse(
                    exchange, 404, f"The simulator does not support {exchange.method} {path}. It supports {_KNOWN}."
                )

    def _replace_script(self, exchange: Exchange, body: bytes) -> None:
        is_json = (exchange.header(b"content-type") or b"").startswith(b"application/json")
        form: Literal["json", "toml"] = "json" if is_json else "toml"
        try:
            self.set_script(read_script(body, form=form, where="script"))
        except Misconfigured as error:
            self._refuse(exchange, 400, str(error))
            return
        exchange.respond(204, _JSON_HEADERS, b"")

    def _count(self, exchange: Exchange, body: bytes) -> None:
        try:
            counted = _MESSAGES.read_counted(body).input_tokens
        except VendorError as refusal:
            exchange.respond(400, _JSON_HEADERS, _MESSAGES.error(400, ErrorFields(message=refusal.message), "sim"))
            return
        exchange.respond(200, _JSON_HEADERS, msgspec.json.encode({"input_tokens": counted}))

    def _refuse(self, exchange: Exchange, status: int, message: str) -> None:
        exchange.respond(status, _JSON_HEADERS, _CHAT.error(status, ErrorFields(message=message), ""))

    def _models(self, messages_shape: bool) -> bytes:  # noqa: FBT001  which of two shapes
        names = self.script.models
        if not messages_shape:
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in names]
            return msgspec.json.encode({"object": "list", "data": models})
        epoch = "1970-01-01T00:00:00Z"
        data = [{"type": "model", "id": name, "display_name": name, "created_at": epoch} for name in names]
        first, last = (names[0], names[-1]) if names else (None, None)
        return msgspec.json.encode({"data": data, "has_more": False, "first_id": first, "last_id": last})


_NO_RULE = ScriptRule()


def _wire(path: str) -> SimulatedDialect | None:
    """Return the wire by the path's end, since vendors have various prefixes; some paths have the model."""
    for end, wire in _WIRES.items():
        if path.endswith(end):
            return wire
    return SimulatedBedrockConverse.at(path) or SimulatedGemini.at(path)


def _credential(exchange: Exchange) -> str:
    value = exchange.header(b"x-api-key") or exchange.header(b"x-goog-api-key")
    if value is None:
        value = (exchange.header(b"authorization") or b"").removeprefix(b"Bearer ")
    signed = _SIGNED_BY.match(value)  # a signature only has the key's id
    return (signed[1] if signed else value).decode("latin-1")


def _headers(exchange: Exchange) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.headers}
