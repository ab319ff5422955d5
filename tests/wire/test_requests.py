"""Requests: what is read of them, what is refused by field, and what a vendor gets."""

import json
from typing import Any

import pytest

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import WIRES
from tokenharbor.wire.request import CacheRules, Edit, InputSize, ProviderRules, Request

OPENAI, RESPONSES, ANTHROPIC = "openai_chat", "openai_responses", "anthropic_messages"
MESSAGES = [{"role": "user", "content": "Is the harbour open?"}]
NEEDED: dict[str, dict[str, Any]] = {ANTHROPIC: {"max_tokens": 100}, RESPONSES: {"store": False}}
THEIRS = {RESPONSES: {"messages": "input", "max_tokens": "max_output_tokens", "Max_Tokens": "Max_Output_Tokens"}}


def theirs(dialect: str, name: str) -> str:
    """What a dialect calls a field that others call `name`, or a place in it."""
    for known, own in THEIRS.get(dialect, {}).items():
        if name == known or name.startswith(f"{known}["):
            return name.replace(known, own, 1)
    return name


def body_of(dialect: str, **fields: Any) -> bytes:
    given = {"model": "m", "messages": MESSAGES, **NEEDED.get(dialect, {}), **fields}
    own = {theirs(dialect, name): value for name, value in given.items()}
    return json.dumps(own, separators=(",", ":")).encode()


def read(dialect: str, **fields: Any) -> Request:
    return WIRES[dialect].read_request(body_of(dialect, **fields))


def written(dialect: str, edit: Edit, **fields: Any) -> dict[str, Any]:
    wire = WIRES[dialect]
    result: dict[str, Any] = json.loads(wire.write_request(read(dialect, **fields), edit))
    return result


def refusal(dialect: str, **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(dialect, **fields)
    return caught.value


@pytest.mark.parametrize("dialect", sorted(WIRES.keys() - {"gemini"}))  # test_gemini.py has its own names
class TestBoth:
    def test_the_facts_of_a_plain_request(self, dialect: str) -> None:
        request = read(dialect, max_tokens=300, temperature=0.2, stream=True)
        assert (request.dialect, request.model, request.stream, request.max_output) == (dialect, "m", True, 300)
        assert request.size == InputSize(len(request.body))
        assert (request.choices, request.extended, request.rules, request.cache) == (1, False, None, None)
        assert not request.include_cost

    @pytest.mark.parametrize("stream", [False, None])
    def test_no_stream_unless_it_is_asked_for(self, dialect: str, stream: bool | None) -> None:
        assert not read(dialect, stream=stream).stream
        assert not read(dialect).stream

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"model": 1}, "model"),
            ({"model": None}, "model"),
            ({"model": ""}, "model"),
            ({"model": "m" * 257}, "model"),
            ({"messages": 7}, "messages"),
            ({"messages": None}, "messages"),
            ({"messages": [{"role": "user", "content": [7]}]}, "messages[0].content[0]"),
            ({"stream": "true"}, "stream"),
            ({"stream": 1}, "stream"),
            ({"max_tokens": "9"}, "max_tokens"),
            ({"max_tokens": 1.5}, "max_tokens"),
            ({"max_tokens": True}, "max_tokens"),
            ({"max_tokens": -1}, "max_tokens"),
            ({"max_tokens": 10**30}, "max_tokens"),
            ({"tools": {}}, "tools"),
            ({"tools": [1]}, "tools"),
            ({"service_tier": "priority"}, "service_tier"),
            ({"service_tier": "flex"}, "service_tier"),
            ({"service_tier": 1}, "service_tier"),
            ({"speed": "fast"}, "speed"),
            ({"fallbacks": [{"model": "other"}]}, "fallbacks"),
            ({"Model": "other"}, "Model"),
            ({"Max_Tokens": 5}, "Max_Tokens"),
            ({"SERVICE_TIER": "priority"}, "SERVICE_TIER"),
            ({"Provider": {}}, "Provider"),
            ({"provider": {"foo": 1}}, "provider.foo"),
            ({"provider": []}, "provider"),
            ({"provider": None}, "provider"),
            ({"provider": {"only": "p"}}, "provider.only"),
            ({"provider": {"only": [1]}}, "provider.only[0]"),
            ({"provider": {"sort": "luck"}}, "provider.sort"),
            ({"provider": {"max_price": {"input": 1}}}, "provider.max_price.input"),
            ({"provider": {"max_price": {"input": "cheap"}}}, "provider.max_price.input"),
            ({"provider": {"max_price": {"output": "-1"}}}, "provider.max_price.output"),
            ({"provider": {"max_price": {"total": "1"}}}, "provider.max_price.total"),
            ({"cache": {"exact": 1}}, "cache.exact"),
            ({"cache": {"fuzzy": True}}, "cache.fuzzy"),
            ({"cache": True}, "cache"),
            ({"usage": {"include": "yes"}}, "usage.include"),
            ({"usage": {"exclude": True}}, "usage.exclude"),
        ],
    )
    def test_what_is_wrong_is_refused_by_its_name(self, dialect: str, fields: dict[str, Any], param: str) -> None:
        error = refusal(dialect, **fields)
        assert error.param == theirs(dialect, param)
        assert error.param in error.message

    @pytest.mark.parametrize("name", ["model", "messages"])
    def test_what_is_missing_is_named(self, dialect: str, name: str) -> None:
        fields = json.loads(body_of(dialect))
        del fields[theirs(dialect, name)]
        with pytest.raises(InvalidRequest) as caught:
            WIRES[dialect].read_request(json.dumps(fields).encode())
        assert caught.value.param == theirs(dialect, name)

    def test_our_own_fields_are_read_and_never_reach_the_vendor(self, dialect: str) -> None:
        ours = {
            "provider": {"only": ["a", "b"], "order": ["b"], "max_price": {"input": "0.50"}, "sort": "price"},
            "cache": {"exact": True, "semantic": False},
            "usage": {"include": True},
        }
        request = read(dialect, top_p=1, **ours)
        assert request.rules is not None
        assert request.rules.only == ("a", "b")
        assert request.rules.max_price is not None
        assert request.rules.max_price.input == "0.50"
        assert request.cache == CacheRules(exact=True, semantic=False)
        assert request.include_cost
        assert WIRES[dialect].write_request(request, Edit("m")) == body_of(dialect, top_p=1)
        assert written(dialect, Edit("m"), usage={}) == json.loads(body_of(dialect))

    def test_an_empty_extension_is_the_default(self, dialect: str) -> None:
        assert read(dialect, provider={}).rules == ProviderRules()

    def test_unknown_fields_pass_untouched(self, dialect: str) -> None:
        fields = {"brand_new": {"x": [1, {"y": None}]}, "seed": 7, "X": 1}
        assert written(dialect, Edit("m"), **fields) == json.loads(body_of(dialect, **fields))

    def test_without_a_change_the_very_bytes_go_on(self, dialect: str) -> None:
        body = b'{ "max_tokens": 1e0, "model": "m" ,"messages":[ ]}'.replace(b"1e0", b"10")
        if dialect == RESPONSES:
            body = b'{ "max_output_tokens": 10, "model": "m" ,"input":[ ] , "store" :false}'
        wire = WIRES[dialect]
        assert wire.write_request(wire.read_request(body), Edit("m")) == body

    def test_a_new_model_changes_no_other_byte(self, dialect: str) -> None:
        body = '{ "max_tokens":10,\n"model" : "m" , "messages":[{"content":"\\u00e9 é \\" 1.0"}] }\n'.encode()
        if dialect == RESPONSES:
            body = body.replace(b'"messages":', b'"store" : false, "input":')
        wire = WIRES[dialect]
        out = wire.write_request(wire.read_request(body), Edit('vendor/"x"'))
        assert out == body.replace(b'"m"', b'"vendor/\\"x\\""')

    def test_a_cap_replaces_the_maximum_or_is_added(self, dialect: str) -> None:
        assert written(dialect, Edit("m", max_output=64), max_tokens=100)[theirs(dialect, "max_tokens")] == 64

    def test_tools_that_the_caller_runs_pass(self, dialect: str) -> None:
        kinds = {
            OPENAI: ["function", "custom"],
            RESPONSES: ["function", "custom", "local_shell", "apply_patch", "computer"],
            ANTHROPIC: ["custom", "bash_20250124", "text_editor_20250728"],
        }
        tools = [{"type": kind, "name": "t"} for kind in kinds[dialect]] + [{"name": "no type"}]
        assert written(dialect, Edit("m"), tools=tools)["tools"] == tools
        assert read(dialect, tools=[]).web_search_uses == 0
        assert read(dialect, tools=None).web_search_uses == 0

    @pytest.mark.parametrize("kind", ["code_execution_20260120", "mcp", "web_fetch_20260318", "builtin_function", "x"])
    def test_tools_that_the_vendor_would_run_are_refused(self, dialect: str, kind: str) -> None:
        error = refusal(dialect, tools=[{"type": "custom", "name": "a"}, {"type": kind}])
        assert error.param == "tools[1].type"

    @pytest.mark.parametrize("space", ["", " "])
    def test_a_tool_with_two_types_is_refused(self, dialect: str, space: str) -> None:
        tool = f'{{"type":{space}"web_search_20250305","max_uses":1,"type":"custom","name":"a"}}'
        body = body_of(dialect)[:-1] + f',"tools":[{{"name":"b"}},{tool}]}}'.encode()
        with pytest.raises(InvalidRequest) as caught:
            WIRES[dialect].read_request(body)
        assert caught.value.param == "tools[1]"

    @pytest.mark.parametrize("depth", [200_000])
    def test_deep_nesting_is_refused_wherever_it_stands(self, dialect: str, depth: int) -> None:
        deep = "[" * depth + "]" * depth
        for field in ("messages", "tools", "provider", "metadata"):
            body = (
                body_of(dialect).decode().replace(f'"{theirs(dialect, "messages")}"', '"other"')[:-1]
                + f',"{theirs(dialect, field)}":{deep}}}'
            )
            with pytest.raises(InvalidRequest):
                WIRES[dialect].read_request(body.encode())

    def test_refusals_never_repeat_content(self, dialect: str) -> None:
        secret = "my secret diary"
        for fields in ({"messages": [{"content": [secret]}]}, {"model": [secret]}, {"service_tier": secret}):
            assert secret not in refusal(dialect, **fields).message


class TestOpenAI:
    @pytest.mark.parametrize(
        ("fields", "maximum"),
        [
            ({}, None),
            ({"max_tokens": None}, None),
            ({"max_tokens": 5}, 5),
            ({"max_completion_tokens": 7}, 7),
            ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
            ({"max_tokens": 9, "max_completion_tokens": 7}, 9),
        ],
    )
    def test_the_maximum_has_two_names(self, fields: dict[str, Any], maximum: int | None) -> None:
        assert read(OPENAI, **fields).max_output == maximum

    @pytest.mark.parametrize(
        ("fields", "name", "expected"),
        [
            ({}, "max_tokens", {"max_tokens": 64}),
            ({}, "max_completion_tokens", {"max_completion_tokens": 64}),
            ({"max_tokens": None}, "max_completion_tokens", {"max_tokens": 64}),
            ({"max_completion_tokens": None}, "max_tokens", {"max_completion_tokens": 64}),
        ],
    )
    def test_a_cap_keeps_the_callers_name(self, fields: dict[str, Any], name: str, expected: dict[str, int]) -> None:
        out = written(OPENAI, Edit("m", max_output=64, max_name=name), **fields)
        assert {key: value for key, value in out.items() if key.startswith("max_")} == expected

    @pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n"])
    def test_counts_start_at_one(self, name: str) -> None:
        assert refusal(OPENAI, **{name: 0}).param == name

    def test_the_vendors_cache_may_always_be_written(self) -> None:
        assert read(OPENAI).cache_writes
        assert not read(OPENAI).cache_writes_1h

    def test_choices_are_bounded(self) -> None:
        assert read(OPENAI, n=3).choices == 3
        assert read(OPENAI, n=None).choices == 1
        assert refusal(OPENAI, n=129).param == "n"

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (None, {"include_usage": True}),
            ({}, {"include_usage": True}),
            ({"include_usage": False}, {"include_usage": True}),
            ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
        ],
    )
    def test_usage_is_asked_for_beside_the_callers_options(self, options: Any, expected: dict[str, bool]) -> None:
        out = written(OPENAI, Edit("m", ask_usage=True), stream=True, stream_options=options)
        assert out["stream_options"] == expected

    def test_usage_is_asked_for_where_no_options_were(self) -> None:
        assert written(OPENAI, Edit("m", ask_usage=True), stream=True)["stream_options"] == {"include_usage": True}

    def test_usage_is_not_asked_for_of_a_whole_answer(self) -> None:
        assert "stream_options" not in written(OPENAI, Edit("m", ask_usage=True))

    def test_a_caller_who_asked_for_usage_gets_his_own_bytes_on(self) -> None:
        request = read(OPENAI, stream=True, stream_options={"include_usage": True})
        assert request.wants_usage
        assert WIRES[OPENAI].write_request(request, Edit("m", ask_usage=True)) == request.body

    @pytest.mark.parametrize(
        ("options", "param"),
        [
            ([], "stream_options"),
            ("x", "stream_options"),
            ({"include_usage": 1}, "stream_options.include_usage"),
        ],
    )
    def test_stream_options_of_the_wrong_shape_are_refused(self, options: Any, param: str) -> None:
        assert refusal(OPENAI, stream=True, stream_options=options).param == param

    def test_repeated_stream_options_are_refused(self) -> None:
        body = body_of(OPENAI)[:-1] + b',"stream_options":{"include_usage":true,"include_usage":false}}'
        with pytest.raises(InvalidRequest) as caught:
            WIRES[OPENAI].read_request(body)
        assert caught.value.param == "stream_options"

    @pytest.mark.parametrize(
        "fields",
        [
            {"store": True},
            {"web_search_options": {"search_context_size": "low"}},
            {"enable_search": True},
            {"search_parameters": {"mode": "auto"}},
            {"plugins": [{"id": "web"}]},
            {"modalities": ["text", "audio"]},
            {"audio": {"voice": "alloy", "format": "wav"}},
            {"prediction": {"type": "content", "content": "x"}},
            {"moderation": {"model": "omni-moderation-latest"}},
            {"prompt_cache_retention": "24h"},
            {"models": ["a", "b"]},
            {"best_of": 3},
            {"service_tier": "scale"},
        ],
    )
    def test_fields_that_change_price_or_retention_are_refused(self, fields: dict[str, Any]) -> None:
        error = refusal(OPENAI, **fields)
        assert [error.param] == list(fields)

    @pytest.mark.parametrize(
        "fields",
        [
            {"store": False},
            {"store": None},
            {"modalities": ["text"]},
            {"audio": None},
            {"prediction": None},
            {"web_search_options": None},
            {"service_tier": "auto"},
            {"service_tier": "default"},
            {"service_tier": "standard"},
            {"service_tier": None},
            {"enable_search": False},
        ],
    )
    def test_their_harmless_values_pass(self, fields: dict[str, Any]) -> None:
        assert written(OPENAI, Edit("m"), **fields) == json.loads(body_of(OPENAI, **fields))

    def test_inlined_media_are_counted_and_not_taken_for_text(self) -> None:
        data = "data:image/png;base64," + "A" * 50_000
        parts = [
            {"type": "text", "text": "What is on these?"},
            {"type": "image_url", "image_url": {"url": data}},
            {"type": "image_url", "image_url": {"url": "https://pictures.example/ship.png", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "B" * 3_000, "format": "wav"}},
            {"type": "file", "file": {"file_data": "C" * 2_000, "filename": "log.pdf"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ]
        request = read(OPENAI, messages=[*MESSAGES, {"role": "user", "content": parts}])
        size = request.size
        assert (size.images, size.audios, size.files, size.media_bytes) == (2, 1, 2, 5_000)
        assert size.text_bytes == len(request.body) - len(data) - 5_000

    def test_an_escape_hides_no_image(self) -> None:
        body = body_of(OPENAI, messages=[{"role": "user", "content": [{"image_url": "https://x.example/a.png"}]}])
        hidden = body.replace(b'"image_url"', b'"\\u0069mage_url"')
        assert WIRES[OPENAI].read_request(hidden).size.images == 1

    def test_words_about_images_are_no_images(self) -> None:
        text = '[{"type": "image_url", "image_url": "data:"}]'
        assert read(OPENAI, messages=[{"role": "user", "content": text}]).size.images == 0


class TestResponses:
    def test_the_input_may_be_one_string(self) -> None:
        request = read(RESPONSES, input="Is the harbour open?")
        assert request.size == InputSize(len(request.body))

    @pytest.mark.parametrize("fields", [{}, {"store": None}, {"store": False}])
    def test_nothing_is_stored_at_the_vendor(self, fields: dict[str, Any]) -> None:
        body = json.dumps({"model": "m", "input": "?", **fields}).encode()
        wire = WIRES[RESPONSES]
        assert json.loads(wire.write_request(wire.read_request(body), Edit("m")))["store"] is False

    @pytest.mark.parametrize(
        "fields",
        [
            {"store": True},
            {"previous_response_id": "resp_1"},
            {"conversation": "conv_1"},
            {"prompt": {"id": "pmpt_1"}},
            {"background": True},
            {"context_management": [{"type": "compaction"}]},
            {"moderation": {"model": "omni-moderation-latest"}},
            {"prompt_cache_retention": "24h"},
            {"service_tier": "flex"},
        ],
    )
    def test_what_is_stored_elsewhere_or_has_its_own_price_is_refused(self, fields: dict[str, Any]) -> None:
        assert [refusal(RESPONSES, **fields).param] == list(fields)

    @pytest.mark.parametrize(
        ("item", "param"),
        [
            ({"type": "item_reference", "id": "msg_1"}, "input[1]"),
            ({"id": "msg_1"}, "input[1]"),
            ({"type": "compaction_trigger"}, "input[1].type"),
            ({"type": "additional_tools", "tools": [{"type": "code_interpreter"}]}, "input[1].tools[0].type"),
            ({"type": "tool_search_output", "tools": [{"type": "web_search"}]}, "input[1].tools"),
        ],
    )
    def test_items_that_would_not_be_bounded_are_refused(self, item: dict[str, Any], param: str) -> None:
        assert refusal(RESPONSES, input=[*MESSAGES, item]).param == param

    def test_a_search_is_sold_where_the_caller_bounds_it(self) -> None:
        tools = [{"type": "web_search", "filters": {"allowed_domains": ["tides.example"]}}]
        request = read(RESPONSES, tools=tools, max_tool_calls=3, tool_choice={"type": "web_search"})
        assert request.web_search_uses == 3
        assert WIRES[RESPONSES].write_request(request, Edit("m")) == request.body
        assert refusal(RESPONSES, tools=tools, max_tool_calls=0).param == "max_tool_calls"
        assert refusal(RESPONSES, tools=tools, max_tool_calls=1_000).param == "max_tool_calls"

    @pytest.mark.parametrize("name", ["web_search", "web_search_preview", "web_search_2025_08_26", "web\\u005fsearch"])
    def test_a_search_that_a_client_merely_lists_is_left_out_and_nothing_else(self, name: str) -> None:
        first, last = b'{ "type":"function" ,"name":"web_search"}', b'{"type": "namespace","name":"n","tools":[]}'
        search = b'{"type":"%b","external_web_access":true}' % name.encode()
        body = b'{"model":"m","store":false,"input":"?","tools":[ %b , %b,%b ]}' % (first, search, last)
        wire = WIRES[RESPONSES]
        request = wire.read_request(body)
        assert request.web_search_uses == 0
        assert wire.write_request(request, Edit("m")) == body.replace(
            b"[ %b , %b,%b ]" % (first, search, last), b"[%b,%b]" % (first, last)
        )

    def test_tools_without_a_search_keep_their_bytes(self) -> None:
        body = b'{"model":"m","store":false,"input":"?","tools":[ { "name":"web_search","type":"function"} ]}'
        wire = WIRES[RESPONSES]
        assert wire.write_request(wire.read_request(body), Edit("m")) == body

    def test_a_search_that_must_be_made_needs_a_bound(self) -> None:
        error = refusal(RESPONSES, tools=[{"type": "web_search"}], tool_choice={"type": "web_search"})
        assert error.param == "tool_choice"
        assert "max_tool_calls" in error.message

    @pytest.mark.parametrize(
        ("tool", "param"),
        [
            ({"type": "image_generation"}, "tools[0].type"),
            ({"type": "shell", "environment": {"type": "container_auto"}}, "tools[0].type"),
            ({"type": "tool_search"}, "tools[0].type"),
            ({"type": "namespace", "tools": [{"type": "code_interpreter"}]}, "tools[0].tools[0].type"),
            ({"type": "namespace", "tools": [{"type": "web_search"}]}, "tools[0].tools"),
            ({"type": 7}, "tools[0].type"),
        ],
    )
    def test_what_the_vendor_would_run_is_refused_wherever_it_stands(self, tool: dict[str, Any], param: str) -> None:
        assert refusal(RESPONSES, tools=[tool]).param == param

    def test_what_only_the_caller_runs_passes(self) -> None:
        tools = [{"type": "shell", "environment": {"type": "local"}}, {"type": "tool_search", "execution": "client"}]
        assert written(RESPONSES, Edit("m"), tools=tools)["tools"] == tools

    def test_inlined_media_are_counted_and_not_taken_for_text(self) -> None:
        data = "data:image/png;base64," + "A" * 50_000
        parts = [
            {"type": "input_text", "text": "What is on these?"},
            {"type": "input_image", "image_url": data},
            {"type": "input_image", "image_url": "https://pictures.example/ship.png", "detail": "low"},
            {"type": "input_audio", "input_audio": {"data": "B" * 3_000, "format": "wav"}},
            {"type": "input_file", "file_data": "C" * 2_000, "filename": "log.pdf"},
            {"type": "input_file", "file_url": "https://pictures.example/log.pdf"},
            {"type": "input_file", "file_id": "file-1"},
        ]
        output = {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_image", "image_url": data}],
        }
        screen = {"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "file-2"}}
        request = read(RESPONSES, input=[{"role": "user", "content": parts}, output, screen])
        size = request.size
        assert (size.images, size.audios, size.files, size.media_bytes) == (4, 1, 3, 5_000)
        assert size.text_bytes == len(request.body) - 2 * len(data) - 5_000


class TestAnthropic:
    def test_max_tokens_is_needed_and_may_be_zero(self) -> None:
        assert read(ANTHROPIC, max_tokens=0).max_output == 0
        with pytest.raises(InvalidRequest) as caught:
            WIRES[ANTHROPIC].read_request(b'{"model":"m","messages":[]}')
        assert caught.value.param == "max_tokens"

    def test_what_an_agent_sends_passes_byte_for_byte(self) -> None:
        fields = {
            "system": [{"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}}],
            "messages": [*MESSAGES, {"role": "system", "content": "A reminder."}],
            "tools": [{"name": "Bash", "description": "Run", "input_schema": {"type": "object", "properties": {}}}],
            "thinking": {"type": "adaptive"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": "high"},
            "metadata": {"user_id": "u"},
            "stream": True,
        }
        request = read(ANTHROPIC, **fields)
        assert WIRES[ANTHROPIC].write_request(request, Edit("m")) == request.body
        assert (request.cache_writes, request.cache_writes_1h) == (True, False)

    @pytest.mark.parametrize(
        ("fields", "hour"),
        [
            ({"cache_control": {"type": "ephemeral"}}, False),
            ({"cache_control": {"type": "ephemeral", "ttl": "5m"}}, False),
            ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, True),
            ({"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}, True),
            ({"tools": [{"name": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}, True),
            (
                {"messages": [{"role": "user", "content": [{"type": "text", "cache_control": {"ttl": "1h"}}]}]},
                True,
            ),
            (
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {
                                    "type": "tool_result",
                                    "content": [{"type": "text", "text": "r", "cache_control": {"ttl": "1h"}}],
                                }
                            ],
                        }
                    ]
                },
                True,
            ),
        ],
    )
    def test_marks_for_the_cache_are_seen_wherever_they_stand(self, fields: dict[str, Any], hour: bool) -> None:
        request = read(ANTHROPIC, **fields)
        assert request.cache_writes
        assert request.cache_writes_1h is hour

    def test_without_marks_nothing_is_written_to_the_cache(self) -> None:
        assert not read(ANTHROPIC, system="cache_control", messages=[{"role": "user", "content": "1h"}]).cache_writes

    def test_a_bounded_web_search_is_priced(self) -> None:
        tools = [
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
            {"type": "web_search_20260318", "name": "web_search", "max_uses": 2},
        ]
        assert read(ANTHROPIC, tools=tools).web_search_uses == 5

    @pytest.mark.parametrize("uses", [None, 0, -1, "3", 101])
    def test_an_unbounded_web_search_is_refused(self, uses: Any) -> None:
        tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": uses}
        assert refusal(ANTHROPIC, tools=[tool]).param == "tools[0].max_uses"

    def test_an_escape_hides_no_tool(self) -> None:
        body = body_of(ANTHROPIC, tools=[{"type": "code_execution_20260120"}])
        with pytest.raises(InvalidRequest):
            WIRES[ANTHROPIC].read_request(body.replace(b"code_execution", b"\\u0063ode_execution"))

    def test_tools_defined_inside_messages_are_refused(self) -> None:
        tool = {"type": "tool_definition", "definition": {"type": "code_execution_20260521"}}
        message = {"role": "user", "content": [{"type": "tool_addition", "tool": tool}]}
        assert refusal(ANTHROPIC, messages=[message]).param == "messages"

    @pytest.mark.parametrize(
        "fields",
        [
            {"container": "container_01"},
            {"mcp_servers": [{"type": "url", "url": "https://x.example"}]},
            {"inference_geo": "us"},
            {"context_management": {"edits": [{"type": "compact_20260112"}]}},
            {"context_management": "all"},
            {"compaction": {"type": "auto"}},
            {"thread": {"type": "create"}},
            {"fallback_credit_token": "t"},
            {"billing_policy": {"type": "billing_policy", "bill_to": "user_profile"}},
            {"service_tier": "standard"},
        ],
    )
    def test_fields_that_change_price_or_retention_are_refused(self, fields: dict[str, Any]) -> None:
        error = refusal(ANTHROPIC, **fields)
        assert [error.param] == list(fields)

    @pytest.mark.parametrize(
        "fields",
        [
            {"service_tier": "auto"},
            {"service_tier": "standard_only"},
            {"speed": "standard"},
            {"inference_geo": "global"},
            {"mcp_servers": []},
            {"container": None},
            {"context_management": None},
        ],
    )
    def test_their_harmless_values_pass(self, fields: dict[str, Any]) -> None:
        assert written(ANTHROPIC, Edit("m"), **fields) == json.loads(body_of(ANTHROPIC, **fields))

    def test_inlined_media_are_counted_and_not_taken_for_text(self) -> None:
        def inlined(kind: str, size: int) -> dict[str, Any]:
            return {"type": kind, "source": {"type": "base64", "media_type": "x", "data": "A" * size}}

        blocks = [
            inlined("image", 40_000),
            {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
            inlined("document", 9_000),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
            {"type": "document", "source": {"type": "content", "content": [inlined("image", 500)]}},
            {"type": "tool_result", "tool_use_id": "t", "content": [inlined("image", 700)]},
            {"type": "tool_result", "tool_use_id": "t", "content": "fine"},
            {"type": "search_result", "source": "https://x.example", "title": "t", "content": []},
            {"type": "web_fetch_tool_result", "tool_use_id": "t", "content": {"type": "web_fetch_result"}},
        ]
        request = read(ANTHROPIC, messages=[{"role": "user", "content": blocks}])
        size = request.size
        assert (size.images, size.files, size.media_bytes) == (4, 1, 9_000)
        assert size.text_bytes == len(request.body) - 40_000 - 9_000 - 500 - 700
