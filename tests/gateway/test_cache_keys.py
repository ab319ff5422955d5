"""Cache keys: equal for equal requests only."""

import json
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.questions import PLACES, REQUESTS, changed

from tokenharbor.cache.keys import CacheKey, KeyMaker
from tokenharbor.editions.load import load_edition
from tokenharbor.gateway.cache_lane import CacheLane
from tokenharbor.gateway.cacheable import prepare
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.world import real_world
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import ModelInPath


class Heard:
    """An exchange of which only the head is looked at."""

    query = ""

    def __init__(self, headers: dict[bytes, bytes]) -> None:
        self.header_map = headers


def key_of(name: str, body: dict[str, Any], keys: KeyMaker) -> CacheKey | None:
    """The key of a body, in a lane of its own."""
    dialect = DIALECTS["openai_chat" if name == "plain" else name]
    call = MeteredCall(cast("Any", Heard({})), dialect, real_world())
    place = ModelInPath("duo", stream=False) if name == "gemini" else None
    lane = CacheLane(b"scope", ("duo",), load_edition("token-harbor").cache, prefixes={})
    cacheable = prepare(keys, cast("Any", None), call, lane, dialect.read_request(json.dumps(body).encode(), place))
    return None if cacheable is None else cacheable.key


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_only_the_same_request_has_the_same_key(data: st.DataObject) -> None:
    """Whatever text is added to whichever fact, in whichever dialect; the same request made anew has its key."""
    keys = KeyMaker(DerivedSecret("", b"k" * 32))
    name = data.draw(st.sampled_from(sorted(REQUESTS)))
    path = data.draw(st.sampled_from(PLACES[name]))
    added = data.draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
    body = REQUESTS[name][1]()
    same, other = key_of(name, body, keys), key_of(name, changed(body, path, added) or {}, keys)
    assert same is not None
    assert same == key_of(name, REQUESTS[name][1](), keys)
    assert other != same
    assert key_of(name, body, KeyMaker(DerivedSecret("", b"l" * 32))) != same


def test_the_field_of_a_maximum_keeps_questions_apart_that_are_otherwise_compared_by_their_words() -> None:
    """A vendor that does not obey the newer field answers at length."""
    keys = KeyMaker(DerivedSecret("", b"k" * 32))

    def asked(question: str, field: str) -> CacheKey | None:
        return key_of("plain", {"model": "duo", "messages": [{"role": "user", "content": question}], field: 50}, keys)

    for field in ("max_tokens", "max_completion_tokens"):
        assert asked("What is a quay?", field) == asked("what is a quay", field)
    assert asked("What is a quay?", "max_tokens") != asked("What is a quay?", "max_completion_tokens")
