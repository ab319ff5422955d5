"""Scripts: valid ones, and the messages for mistakes."""

from pathlib import Path

import pytest

from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.simulator import faults
from tokenharbor.simulator.script import Script, load_script, read_script


def read(text: str) -> Script:
    return read_script(text, form="toml", where="s.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sede = 1", "s.toml: unknown field 'sede'; did you mean 'seed'?"),
        (
            "[[rules]]\nmatch = { modle = 'x' }",
            "s.toml: unknown field 'modle' at rules[0].match; did you mean 'model'?",
        ),
        (
            "[[rules]]\n[[rules]]\nfault = { kind = 'status', status = 429, retry_afer = 3 }",
            "s.toml: unknown field 'retry_afer' at rules[1].fault; did you mean 'retry_after'?",
        ),
        (
            "[answer.usage]\ncached = 1",
            "s.toml: unknown field 'cached' at answer.usage; did you mean 'cache_read'?",
        ),
        (
            "[answer]\ncalls = [{ name = 'b', argument = {} }]",
            "s.toml: unknown field 'argument' at answer.calls[0]; did you mean 'arguments'?",
        ),
    ],
)
def test_an_unknown_field_is_named_with_its_place_and_the_nearest_known_one(text: str, message: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rules]]\nfault = { kind = 'stahl' }", ["stahl", "rules[0].fault.kind"]),
        ("[[rules]]\nmatch = { probability = 2 }", ["1.0", "rules[0].match.probability"]),
        ("[[rules]]\nmatch = { nth = [0] }", ["rules[0].match.nth"]),
        ("[[rules]]\nfault = { kind = 'status', status = 200 }", ["400", "rules[0].fault.status"]),
        ("[[rules]]\nfault = { kind = 'stall', pings_ms = 5 }", ["pings_ms", "rules[0].fault"]),
        ("[answer]\ntokens = [1, 2, 3]", ["answer.tokens"]),
        ("[answer]\ntokens = -1", ["answer.tokens"]),
        ("answer = [", ["s.toml"]),
    ],
)
def test_a_mistake_is_one_line_that_says_where(text: str, words: list[str]) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(text)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ["s.toml", *words]), message


def test_json_and_toml_say_the_same(tmp_path: Path) -> None:
    toml, json = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text("seed = 4\n[[rules]]\nmatch = { nth = [2] }\nfault = { kind = 'break', how = 'close' }")
    json.write_text('{"seed": 4, "rules": [{"match": {"nth": [2]}, "fault": {"kind": "break", "how": "close"}}]}')
    assert load_script(toml) == load_script(json)
    assert load_script(toml).rules[0].fault == faults.BreakConnection(how="close")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="nowhere"):
        load_script(tmp_path / "nowhere.toml")
