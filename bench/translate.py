"""What translating costs beside splicing: CPU of the wires' own functions, without sockets, books or a gateway.

python -m bench.translate [--quick]

Every number is the least of several rounds in which all rows take turns; a ratio is within one run. What a whole
request costs the gateway is measured by the rows of `python -m bench` that translate: in a loop it looks cheaper.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text, Tool, ToolCall, ToolResult, VendorOptions
from tokenharbor.wire.neutral.dialect import Dialect, ModelInPath, ProviderDialect, ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Finished,
    FinishReason,
    Started,
    UsageReported,
)
from tokenharbor.wire.neutral.request import Edit, Request
from tokenharbor.wire.neutral.translator import Translation

SMALL, LARGE = 2 << 10, 100 << 10
CHUNKS = 400
TIMES = 20
CHUNK_BOUND, HISTORY_BOUND = 15.0, 3_000.0
_WORDS = "The quay lay quiet, and the harbor master counted each crate twice before he signed. "
_SCHEMA = b'{"type":"object","properties":{"path":{"type":"string"},"line":{"type":"integer"}},"required":["path"]}'
_BEDROCK_REPLY = (
    b'{"output":{"message":{"role":"assistant","content":[{"text":"%b"}]}},"stopReason":"end_turn",'
    b'"usage":{"inputTokens":412,"outputTokens":256,"totalTokens":668},"metrics":{"latencyMs":812}}'
) % (_WORDS * 22).encode()
_USAGE = UsageReported(Usage(input=412, output=256))
_ALL = frozenset({"tools", "json_schema", "vision", "pdf", "reasoning"})


@dataclass(frozen=True)
class Row:
    """Work of so many units, done so often in a row: what each unit costs is asked."""

    name: str
    work: Callable[[], object]
    units: int = 1
    repeated: int = 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    rounds = 15 if parser.parse_args().quick else 150
    print_chunks(measure(list(chunk_rows()), rounds))
    print_whole(measure(list(whole_rows()), rounds))
    print_history(measure(list(history_rows()), rounds))
    return 0


def measure(rows: list[Row], rounds: int) -> dict[str, float]:
    """Microseconds of CPU for each row's unit; the collector rests, as it does in the gateway between its runs."""
    least = {row.name: float("inf") for row in rows}
    gc.disable()
    for _ in range(rounds):
        for row in rows:
            began = time.process_time_ns()
            for _ in range(row.repeated):
                row.work()
            spent = time.process_time_ns() - began
            least[row.name] = min(least[row.name], spent / 1_000 / row.units / row.repeated)
        gc.collect()
    gc.enable()
    return least


# ---- what is said


def answer_events(pieces: int) -> list[Event]:
    """Text in pieces of about five words, as vendors send it."""
    words = _WORDS.split()
    grown: list[Event] = [BlockGrew(0, " ".join(words[at % 10 : at % 10 + 5]) + " ") for at in range(pieces)]
    begin: list[Event] = [Started("chatcmpl-bench", "bench-upstream"), BlockOpened(0, BlockKind.TEXT)]
    return [*begin, *grown, BlockClosed(0), _USAGE, Finished(FinishReason.STOP)]


def small_chat() -> Chat:
    said = (_WORDS * 30)[: SMALL - 200]
    system = Message(Role.SYSTEM, (Text("You are a careful clerk. Answer briefly."),))
    return Chat((system, Message(Role.USER, (Text(said),))))


def long_chat() -> Chat:
    """A coding agent's history: a file read, then talked about, again and again."""
    messages = [Message(Role.SYSTEM, (Text(_WORDS * 20),)), Message(Role.USER, (Text("Mend the harbor."),))]
    turns = LARGE // 1_000
    for turn in range(turns):
        call = ToolCall(f"call_{turn:08}", "read_file", f'{{"path":"src/quay_{turn}.py","line":{turn}}}')
        messages.append(Message(Role.ASSISTANT, (Text(_WORDS[:60]), call)))
        messages.append(Message(Role.USER, (ToolResult(call.id, (Text((_WORDS * 8)[:600]),), name="read_file"),)))
    tools = tuple(Tool(name, _WORDS, _SCHEMA) for name in ("read_file", "write_file", "run"))
    return Chat((*messages, Message(Role.USER, (Text("Go on."),))), tools=tools)


def order(*, stream: bool = False) -> VendorOptions:
    return VendorOptions("bench-upstream", stream, 256, 8_192, _ALL)


def body_of(dialect: ProviderDialect, chat: Chat, *, stream: bool = False) -> bytes:
    return dialect.write_chat(chat, order(stream=stream))


def asked(dialect: Dialect, body: bytes, *, stream: bool = False) -> Request:
    return dialect.read_request(body, ModelInPath("bench", stream))


def pairs() -> Iterator[tuple[Dialect, ProviderDialect]]:
    """Each client's dialect and each vendor's."""
    for client in DIALECTS.values():
        for vendor in PROVIDER_DIALECTS.values():
            yield client, vendor


def answering(vendor: ProviderDialect) -> Dialect | None:
    """The dialect in which a vendor's answers can be written here; nobody writes Bedrock's, as no client reads them."""
    return DIALECTS.get(vendor.name)


def label(client: Dialect, vendor: ProviderDialect) -> str:
    return f"{vendor.name} → {client.name}"


# ---- a chunk of a stream


def chunk_rows() -> Iterator[Row]:
    events = answer_events(CHUNKS)
    for client, vendor in pairs():
        if (answers := answering(vendor)) is None:
            continue
        writer = answers.writer(ReplyContext(created=1))
        chunks = [written for event in events if (written := writer.write(event))]
        request = asked(client, body_of(client, small_chat(), stream=True), stream=True)
        work = partial(splice_stream if client is vendor else translate_stream, client, vendor, request, chunks)
        yield Row(label(client, vendor), work, len(chunks))


def splice_stream(client: Dialect, _: ProviderDialect, request: Request, chunks: list[bytes]) -> None:
    splicer = client.splice(request, hide_usage=False)
    for chunk in chunks:
        splicer.feed(chunk)
    splicer.ending()


def translate_stream(client: Dialect, vendor: ProviderDialect, request: Request, chunks: list[bytes]) -> None:
    reader = vendor.reader()
    writer = client.writer(ReplyContext(created=1, request=request))
    for chunk in chunks:
        for event in reader.feed(chunk):
            writer.write(event)


def print_chunks(found: dict[str, float]) -> None:
    print("\n| a chunk of a stream, vendor → client | µs of CPU | × the vendor's dialect spliced | bound |")
    print("|---|--:|--:|--:|")
    for client, vendor in pairs():
        if (answers := answering(vendor)) is None:
            continue
        spent, spliced = found[label(client, vendor)], found[label(answers, vendor)]
        bound = "" if client is vendor else f"{CHUNK_BOUND:.0f} µs: {verdict(spent, CHUNK_BOUND)}"
        print(f"| {label(client, vendor)} | {spent:.1f} | {spent / spliced:.2f} | {bound} |")


# ---- a whole answer


def whole_rows() -> Iterator[Row]:
    events = answer_events(SMALL // 30)
    for client, vendor in pairs():
        answers = answering(vendor)
        body = body_of(client, small_chat())
        reply = answers.write_reply(events, ReplyContext(created=1)) if answers else _BEDROCK_REPLY
        work = partial(splice_whole if client is vendor else translate_whole, client, vendor, body, reply)
        yield Row(label(client, vendor), work, repeated=TIMES)


def splice_whole(client: Dialect, _: ProviderDialect, body: bytes, reply: bytes) -> None:
    client.write_request(asked(client, body), Edit("bench-other", 200))
    client.read_answer(reply)


def translate_whole(client: Dialect, vendor: ProviderDialect, body: bytes, reply: bytes) -> None:
    request = asked(client, body)
    vendor.write_chat(client.read_chat(request), order())
    Translation(vendor, client, ReplyContext(1, usage=True, request=request, id="bench", model="bench")).read_answer(
        reply
    )


def print_whole(found: dict[str, float]) -> None:
    print("\n| 2 KiB asked and answered, vendor → client | µs of CPU | more than spliced |\n|---|--:|--:|")
    for client, vendor in pairs():
        spent, spliced = found[label(client, vendor)], found[label(client, client)]
        print(f"| {label(client, vendor)} | {spent:.1f} | {spent - spliced:.1f} |")


# ---- a long history


def history_rows() -> Iterator[Row]:
    for client, vendor in pairs():
        body = body_of(client, long_chat())
        yield Row(
            label(client, vendor), partial(splice_request if client is vendor else ask_across, client, vendor, body)
        )


def splice_request(client: Dialect, _: ProviderDialect, body: bytes) -> None:
    client.write_request(asked(client, body), Edit("bench-other", 200))


def ask_across(client: Dialect, vendor: ProviderDialect, body: bytes) -> None:
    vendor.write_chat(client.read_chat(asked(client, body)), order())


def print_history(found: dict[str, float]) -> None:
    size = len(body_of(next(iter(DIALECTS.values())), long_chat()))
    print(f"\n| {size >> 10} KiB of history asked, client → vendor | µs of CPU | bound |\n|---|--:|--:|")
    for client, vendor in pairs():
        spent = found[label(client, vendor)]
        bound = "" if client is vendor else f"{HISTORY_BOUND:.0f} µs: {verdict(spent, HISTORY_BOUND)}"
        print(f"| {client.name} → {vendor.name} | {spent:.0f} | {bound} |")


def verdict(found: float, bound: float) -> str:
    return "kept" if found <= bound else "**not kept**"


if __name__ == "__main__":
    raise SystemExit(main())
