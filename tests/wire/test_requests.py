"""Requests: facts read, fields refused, and bodies for vendors."""

import json
from typing import Any

import msgspec
import pytest
from tests.wire.requests import ANTHROPIC, MESSAGES, OPENAI, RESPONSES, body_of, read, refusal, theirs, written

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.extensions import read_max_price
from tokenharbor.wire.neutral.request import CacheRules, Edit, InputSize, MaxPrice, ProviderRules


@pytest.mark.parametrize("dialect", sorted(DIALECTS.keys() - {"gemini"}))  # test_gemini.py has its own names
class TestBoth:
    def test_the_facts_of_a_plain_request(self, dialect: str) -> None:
        request = read(dialect, max_tokens=300, temperature=0.2, stream=True)
        assert (request.dialect, request.model, request.stream, request.max_output) == (dialect, "m", True, 300)
        assert msgspec.structs.replace(request.size, text_tokens=0) == InputSize(len(request.body))
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
            ({"provider": {"only": "p"}}, "provider.only"),
            ({"provider": {"only": [1]}}, "provider.only[0]"),
            ({"provider": {"sort": "luck"}}, "provider.sort"),
            ({"provider": {"max_price": {"input": True}}}, "provider.max_price.input"),
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
            DIALECTS[dialect].read_request(json.dumps(fields).encode())
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
        assert read_max_price(request.rules.max_price) == MaxPrice(input="0.50")
        assert request.cache == CacheRules(exact=True, semantic=False)
        assert request.include_cost
        assert DIALECTS[dialect].write_request(request, Edit("m")) == body_of(dialect, top_p=1)
        assert written(dialect, Edit("m"), usage={}) == json.loads(body_of(dialect))

    def test_an_empty_extension_is_the_default(self, dialect: str) -> None:
        assert read(dialect, provider={}).rules == ProviderRules()

    def test_an_extension_that_is_null_is_none_and_never_reaches_the_vendor(self, dialect: str) -> None:
        request = read(dialect, provider=None, cache=None, usage=None)
        assert (request.rules, request.cache, request.include_cost) == (None, None, False)
        assert DIALECTS[dialect].write_request(request, Edit("m")) == body_of(dialect)

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ('{"input": 0.5, "output": 15}', MaxPrice("0.5", "15")),
            ('{"prompt": "1", "completion": 2.00}', MaxPrice("1", "2.00")),
            ('{"prompt": null, "output": 0}', MaxPrice(None, "0")),
            ("null", MaxPrice()),
        ],
    )
    def test_a_highest_price_is_a_string_or_a_number_by_either_name(
        self, dialect: str, written: str, meant: MaxPrice
    ) -> None:
        body = body_of(dialect, provider={"max_price": "HERE"}).replace(b'"HERE"', written.encode())
        rules = DIALECTS[dialect].read_request(body).rules
        assert rules is not None
        assert read_max_price(rules.max_price) == meant

    def test_unknown_fields_pass_untouched(self, dialect: str) -> None:
        fields = {"brand_new": {"x": [1, {"y": None}]}, "seed": 7, "X": 1}
        assert written(dialect, Edit("m"), **fields) == json.loads(body_of(dialect, **fields))

    def test_without_a_change_the_very_bytes_go_on(self, dialect: str) -> None:
        body = b'{ "max_tokens": 1e0, "model": "m" ,"messages":[ ]}'.replace(b"1e0", b"10")
        if dialect == RESPONSES:
            body = b'{ "max_output_tokens": 10, "model": "m" ,"input":[ ] , "store" :false}'
        wire = DIALECTS[dialect]
        assert wire.write_request(wire.read_request(body), Edit("m")) == body

    def test_a_new_model_changes_no_other_byte(self, dialect: str) -> None:
        body = '{ "max_tokens":10,\n"model" : "m" , "messages":[{"content":"\\u00e9 é \\" 1.0"}] }\n'.encode()
        if dialect == RESPONSES:
            body = body.replace(b'"messages":', b'"store" : false, "input":')
        wire = DIALECTS[dialect]
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
            DIALECTS[dialect].read_request(body)
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
                DIALECTS[dialect].read_request(body.encode())

    def test_refusals_never_repeat_content(self, dialect: str) -> None:
        secret = "my secret diary"
        for fields in ({"messages": [{"content": [secret]}]}, {"model": [secret]}, {"service_tier": secret}):
            assert secret not in refusal(dialect, **fields).message


class TestAnthropic:
    def test_max_tokens_is_needed_and_may_be_zero(self) -> None:
        assert read(ANTHROPIC, max_tokens=0).max_output == 0
        with pytest.raises(InvalidRequest) as caught:
            DIALECTS[ANTHROPIC].read_request(b'{"model":"m","messages":[]}')
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
        assert DIALECTS[ANTHROPIC].write_request(request, Edit("m")) == request.body
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
            DIALECTS[ANTHROPIC].read_request(body.replace(b"code_execution", b"\\u0063ode_execution"))

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
