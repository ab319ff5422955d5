"""Bodies kept as bytes: positions of members, refused bodies, and edits that change nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.framing.body import UnreadableError, edit, read_members, refuse_variants, scan, spans

names = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["model", "stream", "a", "b", 'q"', "\\"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, values, max_size=6)
spaces = st.sampled_from(["", "", " ", "\n\t", " \r\n "])


@st.composite
def bodies(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """An object and one of its spellings: any space, escaped or not."""
    members = draw(objects)
    escaped = draw(st.booleans())
    compact = draw(st.booleans())

    def gap() -> str:
        return "" if compact else draw(spaces)

    def spell(value: object) -> str:
        return json.dumps(value, ensure_ascii=escaped, separators=(",", ":") if compact else None)

    pairs = [f"{gap()}{spell(name)}{gap()}:{gap()}{spell(value)}{gap()}" for name, value in members.items()]
    return members, f"{gap()}{{{','.join(pairs) or gap()}}}{gap()}".encode()


@given(bodies())
def test_each_member_stands_where_its_span_says(pair: tuple[dict[str, Any], bytes]) -> None:
    members, body = pair
    read = scan(body)
    places = list(spans(body, read))
    assert [place[0] for place in places] == list(members) == list(read)
    for name, start, value, end in places:
        assert (
            json.loads(body[start : body.index(b":", start + 1) if name.isidentifier() else value].rstrip(b": \n\t\r"))
            == name
        )
        assert json.loads(body[value:end]) == members[name]


@given(bodies(), st.dictionaries(names, values, max_size=3), st.sets(names, max_size=3), st.data())
def test_an_edit_is_what_it_says_and_nothing_else(
    pair: tuple[dict[str, Any], bytes], new: dict[str, Any], removed: set[str], data: st.DataObject
) -> None:
    members, body = pair
    if members:
        removed |= data.draw(st.sets(st.sampled_from(sorted(members)), max_size=4))
    changes: dict[str, bytes | None] = dict.fromkeys(removed)
    changes.update((name, json.dumps(value).encode()) for name, value in new.items())
    expected = {name: value for name, value in members.items() if name not in removed or name in new} | new
    edited = edit(body, scan(body), changes)
    assert json.loads(edited) == expected
    scan(edited)  # no repeated key
    untouched = [body[start:end] for name, start, _, end in spans(body, scan(body)) if name not in changes]
    assert [
        edited[start:end] for name, start, _, end in spans(edited, scan(edited)) if name not in changes
    ] == untouched


def test_an_edit_keeps_every_other_byte() -> None:
    body = b' { "model" :"a",\n  "x": [1, 2] , "provider": {"only":["p"]},\t"n":1e2 } \n'
    edited = edit(body, scan(body), {"model": b'"b"', "provider": None, "stream_options": b"{}"})
    assert edited == b' { "model" :"b",\n  "x": [1, 2],\t"n":1e2 ,"stream_options":{}} \n'
    assert edit(body, scan(body), {}) == body


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"a":1,"a":2}', "a"),
        (b'{"a":1,"a":1}', "a"),
        (b'{"a":1,"b":2,"a":1}', "a"),
        (b'{"a":12,"a":1}', "a"),
        (b'{"a":1,"a":12}', "a"),
        (b'{"a":1 , "b":2 , "b":2 }', "b"),
        (b'{"a":1,"\\u0061":2}', "a"),
        (b'{"\\u0061":1,"a":1}', "a"),
        (b'{"a":1,"b":2,"b":3,"c":4}', "b"),
        ('{"é":1,"é":1}'.encode(), "é"),
        (b'{"":1,"":1}', ""),
    ],
)
def test_a_repeated_key_is_refused_by_name(body: bytes, name: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        scan(body)
    assert caught.value.name == name


@given(bodies(), st.data())
def test_no_repeated_key_is_ever_overlooked(pair: tuple[dict[str, Any], bytes], data: st.DataObject) -> None:
    members, body = pair
    if not members:
        return
    name = data.draw(st.sampled_from(sorted(members)))
    value = data.draw(st.just(members[name]) | values)
    place = data.draw(st.sampled_from([span[1] for span in spans(body, scan(body))]))
    again = f"{json.dumps(name, ensure_ascii=data.draw(st.booleans()))}:{json.dumps(value)},".encode()
    with pytest.raises(UnreadableError):
        scan(body[:place] + again + body[place:])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"7", "must be a JSON object"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":Infinity}', "not valid JSON"),
        (b'{"a":-Infinity}', "not valid JSON"),
        (b'{"a":1}{"b":2}', "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":"\x01"}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\ud83d\\ude00', "truncated"),
        (b'{"a":1', "not valid JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"\xff":1}', "UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_usable_object_is_refused_with_the_reason(body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        read_members(body)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"Model":1}', "Model"),
        (b'{"model":1,"MODEL":2}', "MODEL"),
        (b'{"foo":1,"Foo":2}', "Foo"),
        (b'{"Foo":1,"foo":2}', "foo"),
        ('{"ſtream":true}'.encode(), "ſtream"),
        (b'{"STREAM":true}', "STREAM"),
    ],
)
def test_a_key_that_differs_in_case_only_is_refused(body: bytes, param: str) -> None:
    members = read_members(body)
    with pytest.raises(InvalidRequest) as caught:
        refuse_variants(members, frozenset({"model", "stream"}))
    assert caught.value.param == param


def test_unknown_keys_of_any_case_pass() -> None:
    members = read_members(b'{"model":1,"customField":2,"X":3}')
    refuse_variants(members, frozenset({"model", "stream"}))
