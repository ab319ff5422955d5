"""Neutral events: each dialect reads what it writes, chains of dialects keep the meaning, and the rules always hold."""

import json
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import at_most
from tests.wire.answers import answers, check_rules, meaning, rich_answers, sealed
from tests.wire.splits import TAPES, binary_tape_names, cut, places, tape, tape_names

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Failed,
    Finished,
    FinishReason,
    Note,
    Started,
    UsageReported,
)
from tokenharbor.wire.neutral.failure import FailureKind
from tokenharbor.wire.neutral.translate import collect, replay

OPENAI, ANTHROPIC = "openai_chat", "anthropic_messages"
EACH_DIALECT = st.sampled_from(sorted(DIALECTS))
ALL_TAPES = [*tape_names(), *binary_tape_names()]


def write(dialect: str, events: Iterable[Event]) -> bytes:
    writer = DIALECTS[dialect].writer()
    return b"".join([writer.write(event) for event in events])


def read(dialect: str, pieces: Iterable[bytes]) -> list[Event]:
    reader = PROVIDER_DIALECTS[dialect].reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.close()]


def _unwritten(usage: Usage | None) -> Usage:
    """Merge cache writes into input, because some dialects have no count for them."""
    usage = usage or Usage()
    return msgspec.structs.replace(usage, input=usage.input + usage.cache_write_5m, cache_write_5m=0)


def close_to(read_: Sequence[Event], sent: Sequence[Event]) -> None:
    """Compare the meaning; unknown usage may be written as zeros, and a failure may cut earlier content."""
    ours, theirs = meaning(sent), meaning(read_)
    if ours.usage is None:
        theirs = theirs._replace(usage=None)
    elif theirs.usage is not None:
        ours, theirs = (said._replace(usage=_unwritten(said.usage)) for said in (ours, theirs))
    if ours.failure is not None:
        assert theirs.failure is ours.failure
        assert ours.text.startswith(theirs.text)
        assert ours.reasoning.startswith(theirs.reasoning)
        return
    assert theirs == ours


@given(answers())
def test_the_random_answers_obey_the_rules_themselves(events: list[Event]) -> None:
    check_rules(events)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(events=answers(), where=places)
def test_a_stream_is_read_as_it_was_written(dialect: str, events: list[Event], where: list[int]) -> None:
    stream = write(dialect, events)
    read_ = read(dialect, [stream])
    check_rules(read_)
    close_to(read_, events)
    assert collect(read(dialect, cut(stream, where))) == collect(read_)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(events=answers())
def test_a_whole_answer_is_read_as_it_was_written(dialect: str, events: list[Event]) -> None:
    wire = DIALECTS[dialect]
    read_ = list(wire.read_reply(wire.write_reply(events)))
    check_rules(read_)
    close_to(read_, events)


CHAINS = st.lists(st.tuples(EACH_DIALECT, st.booleans()), min_size=1, max_size=4)


def chained(events: Sequence[Event], chain: list[tuple[str, bool]]) -> Sequence[Event]:
    for dialect, whole in chain:
        wire = DIALECTS[dialect]
        events = list(wire.read_reply(wire.write_reply(events))) if whole else read(dialect, [write(dialect, events)])
        check_rules(events)
    return events


@given(answers(), CHAINS)
def test_any_chain_of_dialects_keeps_the_meaning(events: list[Event], chain: list[tuple[str, bool]]) -> None:
    close_to(chained(events, chain), events)


@given(rich_answers(), CHAINS)
def test_sealed_thoughts_and_cited_pages_go_through_any_chain(
    events: list[Event], chain: list[tuple[str, bool]]
) -> None:
    passed = chained(events, chain)
    assert sealed(passed) == sealed(events)
    close_to(passed, events)


BEFORE = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in")
AFTER = ("output", "reasoning", "audio_out")
TOKENS = st.fixed_dictionaries({unit: st.integers(0, 10**6) for unit in (*BEFORE, *AFTER)})


@given(TOKENS, CHAINS)
def test_no_token_is_lost_or_counted_twice_in_any_chain(counts: dict[str, int], chain: list[tuple[str, bool]]) -> None:
    usage = Usage(**counts)
    passed = chained([Started("a", "m"), UsageReported(usage), Finished(FinishReason.STOP)], chain)
    last = collect(passed).usage
    assert last is not None
    for units in (BEFORE, AFTER):
        assert sum(getattr(last, unit) for unit in units) == sum(getattr(usage, unit) for unit in units)
    assert (last.cache_read, last.reasoning) == (usage.cache_read, usage.reasoning)


@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC])
def test_the_cost_that_was_asked_for_stands_in_the_usage(dialect: str) -> None:
    writer = DIALECTS[dialect].writer(ReplyContext(usage=False))
    usage = Usage(input=12, output=3)
    stream = b"".join([writer.write(event) for event in (Started("a", "m"), UsageReported(usage))])
    writer.cost_usd = "0.000123450"
    stream += writer.write(Finished(FinishReason.STOP))
    assert b'"cost":0.000123450' in stream
    assert collect(read(dialect, [stream])).usage == usage


PICTURE: list[Event] = [
    Started("a", "m"),
    BlockOpened(0, BlockKind.TEXT),
    BlockGrew(0, "Look: "),
    BlockClosed(0),
    BlockOpened(1, BlockKind.IMAGE, name="image/png"),
    BlockGrew(1, "iVBO"),
    BlockGrew(1, "Rw=="),
    BlockClosed(1),
    Finished(FinishReason.STOP),
]


def test_pictures_are_whole_in_openais_dialect_and_said_to_be_missing_in_anthropics() -> None:
    wire = DIALECTS[OPENAI]
    for again in (read(OPENAI, [write(OPENAI, PICTURE)]), list(wire.read_reply(wire.write_reply(PICTURE)))):
        check_rules(again)
        assert collect(again) == msgspec.structs.replace(collect(PICTURE), id="chatcmpl-a")
    assert write(OPENAI, PICTURE).count(b'"url":"data:image/png;base64,iVBORw=="') == 1
    other = DIALECTS[ANTHROPIC]
    for again in (read(ANTHROPIC, [write(ANTHROPIC, PICTURE)]), list(other.read_reply(other.write_reply(PICTURE)))):
        assert meaning(again).text == "Look: [An image, which this API cannot carry.]"


@given(answers())
def test_a_reply_is_the_same_played_and_gathered(events: list[Event]) -> None:
    reply = collect(events)
    played = list(replay(reply))
    check_rules(played)
    assert collect(played) == reply


@given(answers())
def test_blocks_of_a_message_stand_one_after_the_other(events: list[Event]) -> None:
    """Clients of this dialect handle one open block, even if blocks are parallel elsewhere."""
    open_ = None
    for line in write(ANTHROPIC, events).decode().split("\n"):
        if not line.startswith("data: "):
            continue
        event = json.loads(line.removeprefix("data: "))
        match event["type"]:
            case "content_block_start":
                assert open_ is None
                open_ = event["index"]
            case "content_block_delta":
                assert open_ == event["index"]
            case "content_block_stop":
                assert open_ == event["index"]
                open_ = None
            case "message_delta":
                assert open_ is None


@pytest.mark.parametrize("dialect", PROVIDER_DIALECTS)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode), where=places)
def test_noise_is_never_a_success(dialect: str, data: bytes, where: list[int]) -> None:
    events = read(dialect, cut(data, where))
    assert isinstance(events[-1], Failed)
    assert sum(isinstance(event, Failed | Finished) for event in events) == 1


@pytest.mark.parametrize(("dialect", "name"), ALL_TAPES)
@settings(max_examples=at_most(30))
@given(data=st.data())
def test_a_damaged_tape_still_obeys_the_rules(dialect: str, name: str, data: st.DataObject) -> None:
    stream = bytearray(tape(dialect, name))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(stream) - 1))
        stream[start : start + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=3))
        if not stream:
            break
    events = read(dialect, [bytes(stream)])
    if isinstance(events[-1], Finished):
        check_rules(events)
    else:
        assert sum(isinstance(event, Failed | Finished) for event in events) == 1


def plain(event: Event) -> dict[str, object]:
    """Return an event in the form of the golden lists."""
    members = msgspec.to_builtins(event, builtin_types=(bytes,))
    kept = {name: value for name, value in members.items() if value not in (None, "", (), {}) and value is not False}
    return {"event": type(event).__name__, **json.loads(json.dumps(kept, default=bytes.decode))}


@pytest.mark.parametrize(("dialect", "name"), ALL_TAPES)
def test_a_tape_reads_to_its_golden_events(dialect: str, name: str) -> None:
    golden = json.loads((TAPES / dialect / f"{name}.json").read_text())
    events = read(dialect, [tape(dialect, name)])
    check_rules(events)
    assert [plain(event) for event in events] == golden


@pytest.mark.parametrize(("dialect", "name"), ALL_TAPES)
@settings(max_examples=at_most(30))
@given(where=places)
def test_any_split_of_a_tape_gives_the_same_events(dialect: str, name: str, where: list[int]) -> None:
    stream = tape(dialect, name)
    assert read(dialect, cut(stream, where)) == read(dialect, [stream])


@pytest.mark.parametrize("name", ["thinking_tools", "redacted_thinking", "web_search", "refusal", "text"])
def test_what_only_one_dialect_knows_comes_back_to_it_byte_for_byte(name: str) -> None:
    events = read(ANTHROPIC, [tape(ANTHROPIC, name)])
    assert read(ANTHROPIC, [write(ANTHROPIC, events)]) == events
    wire = DIALECTS[ANTHROPIC]
    assert meaning(wire.read_reply(wire.write_reply(events))) == meaning(events)
    again = wire.write_reply(wire.read_reply(wire.write_reply(events)))
    assert again == wire.write_reply(events)


def test_what_the_stream_gave_in_pieces_is_whole_in_a_whole_answer() -> None:
    events = read(ANTHROPIC, [tape(ANTHROPIC, "web_search")])
    search, result, text = json.loads(DIALECTS[ANTHROPIC].write_reply(events))["content"]
    assert (search["type"], search["input"]) == ("server_tool_use", {"query": "tide Brest"})
    assert result["content"][0]["encrypted_content"] == "Eq8Tape"
    assert [citation["encrypted_index"] for citation in text["citations"]] == ["EoTape"]


def test_thought_signatures_of_calls_come_back() -> None:
    events = read(OPENAI, [tape(OPENAI, "same_index_tools")])
    wire = DIALECTS[OPENAI]
    signature = b'{"google":{"thought_signature":"CsQBAXLI2nz9"}}'
    assert signature in write(OPENAI, events)
    assert signature in wire.write_reply(events)
    again = collect(read(OPENAI, [write(OPENAI, events)]))
    assert again == msgspec.structs.replace(collect(events), id=f"chatcmpl-{collect(events).id}")


@pytest.mark.parametrize(("dialect", "other"), [(OPENAI, ANTHROPIC), (ANTHROPIC, OPENAI)])
def test_notes_reach_another_dialect_sealed_and_come_back_through_it(dialect: str, other: str) -> None:
    note = Note(dialect, "signature", b"opaque") if dialect == ANTHROPIC else Note(dialect, "reasoning_details", b"[7]")
    events: list[Event] = [
        Started("a", "m"),
        BlockOpened(0, BlockKind.REASONING),
        BlockGrew(0, "Hm.", (note,)),
        BlockClosed(0),
        Finished(FinishReason.STOP),
    ]
    assert note.raw in write(dialect, events)
    assert note.raw not in write(other, events)
    for again in (read(other, [write(other, events)]), DIALECTS[other].read_reply(DIALECTS[other].write_reply(events))):
        (block,) = collect(again).blocks
        assert (block.text, block.notes) == ("Hm.", (note,))


def test_arguments_that_are_no_object_are_shown_as_they_are() -> None:
    events: list[Event] = [
        Started("a", "m"),
        BlockOpened(0, BlockKind.TOOL_CALL, "c", "tide"),
        BlockGrew(0, '{"port": "Bre'),
        BlockClosed(0),
        Finished(FinishReason.LENGTH),
    ]
    (block,) = json.loads(DIALECTS[ANTHROPIC].write_reply(events))["content"]
    assert block["input"] == {"_unreadable": '{"port": "Bre'}


@pytest.mark.parametrize(
    ("finish", "calls", "expected"),
    [
        ("stop", True, FinishReason.TOOL_CALLS),
        ("tool_calls", False, FinishReason.STOP),
        ("length", True, FinishReason.LENGTH),
        ("something_new", False, FinishReason.STOP),
    ],
)
def test_reasons_that_vendors_confuse_are_set_right(finish: str, calls: bool, expected: FinishReason) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Aye.", **({"tool_calls": [call]} if calls else {})}
    body = {"id": "a", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    assert DIALECTS[OPENAI].read_reply(json.dumps(body).encode()).reason is expected


@pytest.mark.parametrize("index", [{"index": 0}, {}])
def test_calls_without_ids_are_told_apart_by_whole_arguments(index: dict[str, int]) -> None:
    pieces = [("tide", '{"port":'), ("", '"Brest"}'), ("tide", "{}"), ("wind", ""), ("wind", '{"at":1}')]
    chunks: list[dict[str, object]] = [
        {"delta": {"tool_calls": [{**index, "function": {"name": n, "arguments": a}}]}} for n, a in pieces
    ]
    chunks.append({"delta": {}, "finish_reason": "tool_calls"})
    lines = [
        b"data: " + json.dumps({"id": "1", "choices": [{"index": 0, **chunk}]}).encode() + b"\n\n" for chunk in chunks
    ]
    events = read(OPENAI, [*lines, b"data: [DONE]\n\n"])
    check_rules(events)
    calls = [(block.name, block.text) for block in collect(events).blocks]
    assert calls == [("tide", '{"port":"Brest"}'), ("tide", "{}"), ("wind", '{"at":1}')]


EMPTY = {"function_call": {"name": "", "arguments": ""}, "refusal": "", "audio": {"data": "", "id": ""}}


def test_members_that_a_vendor_writes_empty_say_nothing() -> None:
    function = {"name": "tide", "arguments": "{}"}
    call = {"id": "c", "type": "function", "custom": {"name": "", "input": ""}, "function": function}
    for calls, expected in ((None, ["text"]), ([call], ["text", "tool_call"])):
        message = {"role": "assistant", "content": "Look.", "tool_calls": calls, **EMPTY}
        body = {"id": "1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": ""}]}
        reply = collect(DIALECTS[OPENAI].read_reply(json.dumps(body).encode()))
        assert [block.kind.value for block in reply.blocks] == expected
        assert not any(block.custom for block in reply.blocks)
        assert reply.reason is (FinishReason.TOOL_CALLS if calls else FinishReason.STOP)


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", "eos", None])
@pytest.mark.parametrize("text", ["", "Aye, \u00e9"])
@pytest.mark.parametrize("prompt", [3, -1, None])
def test_words_alone_read_as_they_do_beside_other_things(reason: str | None, text: str, prompt: int | None) -> None:
    usage = {} if prompt is None else {"usage": {"prompt_tokens": prompt, "completion_tokens": 1}}

    def told(**more: object) -> list[Event]:
        choice = {"index": 0, "message": {"role": "assistant", "content": text, **more}, "finish_reason": reason}
        body = {"id": "1", "model": "m", "choices": [choice], **usage}
        return list(DIALECTS[OPENAI].read_reply(json.dumps(body).encode()))

    assert told() == told(refusal=None, annotations=[]) == told(tool_calls=[])


@pytest.mark.parametrize(("delta", "end"), [({"content": "Open."}, Finished), ({}, Failed)])
def test_a_terminator_behind_words_is_an_end_without_any_reason(delta: dict[str, str], end: type[Event]) -> None:
    chunk = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta}]}
    events = read(OPENAI, [b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"])
    assert isinstance(events[-1], end)


def test_a_call_without_arguments_is_told_as_json_to_openais_clients() -> None:
    """They parse JSON, which an empty string is not."""
    events: list[Event] = [
        Started("1", "m"),
        BlockOpened(0, BlockKind.TOOL_CALL, "c1", "tide"),
        BlockClosed(0),
        Finished(FinishReason.TOOL_CALLS),
    ]
    (call,) = json.loads(DIALECTS[OPENAI].write_reply(events, NO_CONTEXT))["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == "{}"
    assert write(OPENAI, events).count(b'"arguments":"{}"') == 1


def test_an_empty_answer_has_empty_words_for_openais_clients() -> None:
    events: list[Event] = [Started("1", "m"), Finished(FinishReason.LENGTH)]
    assert json.loads(DIALECTS[OPENAI].write_reply(events, NO_CONTEXT))["choices"][0]["message"]["content"] == ""


def test_words_that_only_another_dialect_could_read_leave_no_empty_block() -> None:
    """Clients of Messages would send an empty block back, and the vendor refuses it."""
    events: list[Event] = [
        Started("1", "m"),
        BlockOpened(0, BlockKind.TEXT),
        BlockGrew(0, notes=(Note("gemini", "part", b"{}"),)),
        BlockClosed(0),
        BlockOpened(1, BlockKind.TEXT),
        BlockGrew(1, "Open."),
        BlockClosed(1),
        Finished(FinishReason.STOP),
    ]
    content = json.loads(DIALECTS[ANTHROPIC].write_reply(events, NO_CONTEXT))["content"]
    assert [block["text"] for block in content] == ["Open."]
    stream = write(ANTHROPIC, events)
    assert b'"index":0' in stream
    assert b'"index":1' not in stream


def test_a_call_that_never_gets_a_name_is_garbage() -> None:
    chunk = b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c"}]},"finish_reason":"stop"}]}\n\n'
    end = read(OPENAI, [chunk + b"data: [DONE]\n\n"])[-1]
    assert isinstance(end, Failed)
    assert end.failure.kind is FailureKind.GARBAGE


def test_the_usage_chunk_is_only_for_those_who_want_it() -> None:
    events = read(OPENAI, [tape(OPENAI, "text")])
    for wanted in (True, False):
        writer = DIALECTS[OPENAI].writer(ReplyContext(1_790_000_000, usage=wanted))
        stream = b"".join([writer.write(event) for event in events])
        assert (b'"prompt_tokens":1219' in stream) is wanted
        assert b'"created":1790000000' in stream


def test_more_of_a_block_that_was_closed_is_no_answer_of_the_dialect() -> None:
    stream = tape(ANTHROPIC, "text")
    stop = stream.index(b"event: content_block_stop")
    delta = stream[stream.index(b"event: content_block_delta") :].partition(b"\n\n")[0] + b"\n\n"
    after = stream.index(b"\n\n", stop) + 2
    events = read(ANTHROPIC, [stream[:after] + delta + stream[after:]])
    check_rules(events)
    assert isinstance(events[-1], Failed)
