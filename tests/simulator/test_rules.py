"""Matching of rules, and reproducibility: the same seed gives the same behaviour."""

import pytest
from tests.simulator.conftest import Start
from tests.simulator.raw import CHAT, MESSAGES, RESPONSES, ask, post

from tokenharbor.simulator.choose import RequestFacts, RuleChooser
from tokenharbor.simulator.script import Script, read_script

SEEN = RequestFacts(
    "openai_chat", CHAT, "gpt-x", stream=False, credential="k1", headers={"x-a": "b"}, body=b'{"sos": 1}'
)


def script(match: str, seed: int = 0) -> Script:
    text = f"seed = {seed}\n[[rules]]\nmatch = {{ {match} }}\nfault = {{ kind = 'refuse' }}"
    return read_script(text, form="toml", where="test")


def hits(match: str, count: int = 6, seed: int = 0) -> list[int]:
    """Return which of `count` equal requests the rule matches, from 1."""
    chooser = RuleChooser(script(match, seed))
    return [number for number in range(1, count + 1) if chooser.choose(SEEN)]


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ("", True),
        ("model = 'gpt-*'", True),
        ("model = 'claude-*'", False),
        ("wire = 'openai_chat', stream = false", True),
        ("wire = 'anthropic_messages'", False),
        ("stream = true", False),
        ("path = '*/completions'", True),
        ("path = '/v2/*'", False),
        ("credential = 'k1'", True),
        ("credential = 'k2'", False),
        ("header = { X-A = 'b' }", True),
        ("header = { X-A = 'c' }", False),
        ("header = { X-B = 'b' }", False),
        ("contains = 'sos'", True),
        ("contains = 'calm'", False),
        ("model = 'gpt-*', credential = 'k2'", False),
        ("probability = 0.0", False),
        ("probability = 1.0", True),
    ],
)
def test_all_that_a_match_names_must_hold(match: str, fits: bool) -> None:
    assert (hits(match, 1) == [1]) is fits


def test_requests_are_numbered_by_rule() -> None:
    assert hits("nth = [2, 5]") == [2, 5]
    assert hits("first = 3") == [1, 2, 3]
    assert hits("every = 2") == [2, 4, 6]


def test_only_requests_that_match_the_rest_are_counted() -> None:
    chooser = RuleChooser(script("model = 'gpt-*', nth = [2]"))
    others = RequestFacts("openai_chat", CHAT, "other", stream=False, credential="", headers={}, body=b"")
    assert [bool(chooser.choose(seen)) for seen in (others, SEEN, others, SEEN, SEEN)] == [
        False,
        False,
        False,
        True,
        False,
    ]


def test_chance_is_decided_by_the_seed() -> None:
    first = hits("probability = 0.3", 200, seed=1)
    assert first == hits("probability = 0.3", 200, seed=1)
    assert first != hits("probability = 0.3", 200, seed=2)
    assert 30 <= len(first) <= 90


def test_the_first_rule_that_matches_decides() -> None:
    text = "[[rules]]\nmatch = { nth = [1] }\n[[rules]]\n[[rules]]"
    chooser = RuleChooser(read_script(text, form="toml", where="test"))
    places = [chosen[0] for chosen in (chooser.choose(SEEN), chooser.choose(SEEN)) if chosen]
    assert places == [0, 1]


RANDOM = """
seed = %d
answer = { tokens = [1, 60], usage = { cache_read = [0, 900], cache_write_5m = [0, 900], output = [1, 500] } }
[[rules]]
match = { probability = 0.2 }
fault = { kind = "break", how = "close" }
[[rules]]
match = { probability = 0.2 }
fault = { kind = "status", status = 500 }
"""


async def _course(simulate: Start, seed: int) -> list[bytes]:
    simulator = await simulate(RANDOM % seed)
    paths = [CHAT, MESSAGES] * 6
    answers = [await ask(simulator.port, path, stream=True) for path in paths]
    created = [b'"created":%d' % (record.started_ms // 1000) for record in simulator.requests]
    return [answer.body.replace(time, b"") for answer, time in zip(answers, created, strict=True)]


async def test_same_script_seed_and_order_give_the_same_bytes(simulate: Start) -> None:
    first = await _course(simulate, 3)
    assert first == await _course(simulate, 3)
    assert len(set(first)) > 6
    other = [body.replace(b"sim-4-", b"sim-3-") for body in await _course(simulate, 4)]
    assert first != other


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
async def test_credentials_that_are_not_the_scripts_are_refused(simulate: Start, path: str) -> None:
    simulator = await simulate("credentials = ['good']")
    assert (await ask(simulator.port, path, headers={"x-api-key": "bad"})).status == 401
    assert (await ask(simulator.port, path)).status == 401
    assert (await ask(simulator.port, path, headers={"x-api-key": "good"})).status == 200


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"model": 1}', b'{"model":"m","messages":[]}', b'{"model":"m\xff"}', b"[" * 5000]
)
async def test_a_request_that_is_none_is_refused_as_a_vendor_would(simulate: Start, path: str, body: bytes) -> None:
    simulator = await simulate("")
    answer = await post(simulator.port, path, body)
    assert answer.status == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert not simulator.requests[0].completed


async def test_anthropic_wants_a_maximum(simulate: Start) -> None:
    simulator = await simulate("")
    answer = await post(simulator.port, MESSAGES, b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
    assert (answer.status, answer.json()["error"]["message"]) == (400, "max_tokens: Field required")
