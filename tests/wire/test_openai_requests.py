"""Requests in OpenAI's two dialects: facts read, fields refused, and bodies for vendors."""

import json
from typing import Any

import msgspec
import pytest
from tests.wire.requests import MESSAGES, OPENAI, RESPONSES, body_of, read, refusal, written

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.request import Edit, InputSize


class TestOpenAI:
    @pytest.mark.parametrize(
        ("fields", "maximum"),
        [
            ({}, None),
            ({"max_tokens": None}, None),
            ({"max_tokens": 5}, 5),
            ({"max_completion_tokens": 7}, 7),
            ({"max_tokens": 5, "max_completion_tokens": 7}, 5),
            ({"max_tokens": 9, "max_completion_tokens": 7}, 7),
        ],
    )
    def test_the_maximum_has_two_names(self, fields: dict[str, Any], maximum: int | None) -> None:
        assert read(OPENAI, **fields).max_output == maximum

    @pytest.mark.parametrize(
        ("fields", "name", "expected"),
        [
            ({}, None, {"max_tokens": 64}),
            ({}, "max_tokens", {"max_tokens": 64}),
            ({}, "max_completion_tokens", {"max_completion_tokens": 64}),
            ({"max_tokens": None}, "max_completion_tokens", {"max_completion_tokens": 64}),
            ({"max_completion_tokens": None}, "max_tokens", {"max_tokens": 64}),
            ({"max_completion_tokens": None}, None, {"max_tokens": 64}),
        ],
    )
    def test_a_cap_is_written_in_the_providers_field(
        self, fields: dict[str, Any], name: str | None, expected: dict[str, int]
    ) -> None:
        out = written(OPENAI, Edit("m", max_output=64, max_field=name), **fields)
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
        assert DIALECTS[OPENAI].write_request(request, Edit("m", ask_usage=True)) == request.body

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
            DIALECTS[OPENAI].read_request(body)
        assert caught.value.param == "stream_options"

    @pytest.mark.parametrize(
        "fields",
        [
            {"store": True},
            {"web_search_options": {"search_context_size": "low"}},
            {"web_search_options": {}},
            {"search_parameters": {}},
            {"enable_search": True},
            {"enable_enhancement": True},
            {"web_search": {"enable": True}},
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
            {"best_of": 1},
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
        assert DIALECTS[OPENAI].read_request(hidden).size.images == 1

    def test_words_about_images_are_no_images(self) -> None:
        text = '[{"type": "image_url", "image_url": "data:"}]'
        assert read(OPENAI, messages=[{"role": "user", "content": text}]).size.images == 0


class TestResponses:
    def test_the_input_may_be_one_string(self) -> None:
        request = read(RESPONSES, input="Is the harbour open?")
        assert msgspec.structs.replace(request.size, text_tokens=0) == InputSize(len(request.body))

    @pytest.mark.parametrize("fields", [{}, {"store": None}, {"store": False}])
    def test_nothing_is_stored_at_the_vendor(self, fields: dict[str, Any]) -> None:
        body = json.dumps({"model": "m", "input": "?", **fields}).encode()
        wire = DIALECTS[RESPONSES]
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
        assert DIALECTS[RESPONSES].write_request(request, Edit("m")) == request.body
        assert refusal(RESPONSES, tools=tools, max_tool_calls=0).param == "max_tool_calls"
        assert refusal(RESPONSES, tools=tools, max_tool_calls=1_000).param == "max_tool_calls"

    @pytest.mark.parametrize("name", ["web_search", "web_search_preview", "web_search_2025_08_26", "web\\u005fsearch"])
    def test_a_search_that_a_client_merely_lists_is_left_out_and_nothing_else(self, name: str) -> None:
        first, last = b'{ "type":"function" ,"name":"web_search"}', b'{"type": "namespace","name":"n","tools":[]}'
        search = b'{"type":"%b","external_web_access":true}' % name.encode()
        body = b'{"model":"m","store":false,"input":"?","tools":[ %b , %b,%b ]}' % (first, search, last)
        wire = DIALECTS[RESPONSES]
        request = wire.read_request(body)
        assert request.web_search_uses == 0
        assert wire.write_request(request, Edit("m")) == body.replace(
            b"[ %b , %b,%b ]" % (first, search, last), b"[%b,%b]" % (first, last)
        )

    def test_tools_without_a_search_keep_their_bytes(self) -> None:
        body = b'{"model":"m","store":false,"input":"?","tools":[ { "name":"web_search","type":"function"} ]}'
        wire = DIALECTS[RESPONSES]
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


class TestTheFieldForTheMaximum:
    """Only the field that the provider obeys is sent, if it is stated."""

    @pytest.mark.parametrize(
        ("field", "sent", "expected"),
        [
            ("max_tokens", {"max_completion_tokens": 7}, {"max_tokens": 7}),
            ("max_completion_tokens", {"max_tokens": 7}, {"max_completion_tokens": 7}),
            ("max_tokens", {"max_tokens": 7}, {"max_tokens": 7}),
            ("max_tokens", {"max_tokens": None}, {"max_tokens": None}),
            ("max_tokens", {"max_tokens": None, "max_completion_tokens": 7}, {"max_tokens": 7}),
            ("max_tokens", {"max_tokens": 9, "max_completion_tokens": 7}, {"max_tokens": 7}),
            ("max_new_tokens", {"max_tokens": 7, "max_new_tokens": 90}, {"max_new_tokens": 7}),
            (None, {"max_tokens": 9, "max_completion_tokens": 7}, {"max_tokens": 9, "max_completion_tokens": 7}),
            (None, {"max_completion_tokens": 7}, {"max_completion_tokens": 7}),
            ("", {"max_completion_tokens": 7}, {"max_completion_tokens": 7}),
        ],
    )
    def test_F2_a_maximum_is_renamed_to_the_field_that_is_obeyed(
        self, field: str | None, sent: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        out = written(OPENAI, Edit("m", max_field=field), **sent)
        assert {name: value for name, value in out.items() if name.startswith("max_")} == expected

    @pytest.mark.parametrize(
        ("sent", "unsure"),
        [
            ({}, False),
            ({"max_tokens": 7}, False),
            ({"max_completion_tokens": 7}, True),
            ({"max_tokens": 7, "max_completion_tokens": 7}, False),
            ({"max_tokens": 7, "max_completion_tokens": 8}, True),
            ({"max_tokens": 7, "max_new_tokens": 8}, True),
        ],
    )
    def test_F2_a_maximum_in_a_field_that_some_ignore_is_unsure(self, sent: dict[str, Any], unsure: bool) -> None:
        assert read(OPENAI, **sent).max_unsure is unsure

    @pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
    @pytest.mark.parametrize("value", ["5", 5.0, -1, True, [5], 10**12])
    def test_F2_a_maximum_that_is_no_whole_number_is_refused(self, name: str, value: Any) -> None:
        assert refusal(OPENAI, **{name: value}).param == name

    @pytest.mark.parametrize(
        ("sent", "budget"),
        [
            ({}, 0),
            ({"thinking_budget": 70}, 70),
            ({"thinking_budget": "70"}, 70),
            ({"thinking_budget": -1}, 0),
            ({"thinking": {"type": "enabled", "budget_tokens": 70}}, 70),
            ({"thinking": "enabled", "reasoning": {"max_tokens": 70}}, 70),
            ({"reasoning": {"max_tokens": 70}, "thinking_budget": 80}, 80),
        ],
    )
    def test_F2_a_budget_of_reasoning_is_read_in_the_words_of_each_vendor(
        self, sent: dict[str, Any], budget: int
    ) -> None:
        assert read(OPENAI, **sent).thinking_budget == budget
