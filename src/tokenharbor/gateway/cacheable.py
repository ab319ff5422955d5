"""Whether a request's answer may come from the cache and go there, and under which key."""

import re

import msgspec

from tokenharbor.cache.canonical import canonical
from tokenharbor.cache.keys import KeyMaker
from tokenharbor.gateway.cache_lane import CacheLane, keeps_nothing
from tokenharbor.gateway.cache_turn import AnswerKeeper, CacheTurn
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.wire.neutral.plain import PlainChat
from tokenharbor.wire.neutral.request import Request

MOST_BODY = 1 << 20
"""Bytes of a request that is compared: a longer one takes more than its answer's price to compare."""
_USUAL_TEMPERATURE = 1.0
"""The vendors' own default: to set it says nothing."""
_IDS = b"file_id", b"fileId", b"fileUri", b"file_uri"
_SLASHES = b"://", rb":\/"  # some clients escape them
_ESCAPED = re.compile(rb"\\u00(?:2f|3a|[46][1-9a-f]|[57][0-9a])", re.IGNORECASE)
"""A slash, a colon or a letter by its number in JSON: no client has a reason to write them so."""
_SCHEMES = [b'"%b%b' % (scheme, each) for scheme in (b"http", b"https", b"gs", b"s3", b"oss") for each in _SLASHES]
_PLAIN = "plain"
_NO_CONTENT = frozenset({"model", "stream", "stream_options", "provider", "cache", "usage", "session_id"})
"""Members that say nothing of the answer's content; rules of providers are compared apart."""


def take_turn(
    keys: KeyMaker, keeper: AnswerKeeper, call: MeteredCall, lane: CacheLane, request: Request
) -> CacheTurn | None:
    """None for a request whose answer is neither looked for nor kept."""
    wish = request.cache
    asked = wish is not None and wish.exact is True
    if (wish is not None and wish.exact is False) or not _is_repeatable(call, request, asked=asked):
        return None
    reader, members = call.dialect.caching, request.members
    bound = request.rules is not None or call.rules is not None
    scope = _own(call, lane) if lane.wide and bound else lane.scope
    staged = None if call.staged is None else call.staged.facts
    rules = (bytes(members["provider"]) if "provider" in members else None, call.rules, call.lines, staged)
    plain = reader.read_plain(request)
    if plain is None:
        left_out = _NO_CONTENT | reader.users if lane.wide else _NO_CONTENT
        told = [(name, bytes(raw)) for name, raw in members.items() if name not in left_out]
        key = lane.prefix(keys, scope, call.dialect.name).key((rules, told))
        return CacheTurn(key, lane, None, keeper)
    compared = _compared(plain, lane, wide=bool(reader.users))
    turn = CacheTurn(lane.prefix(keys, scope, _PLAIN).key((rules, compared)), lane, plain, keeper)
    if lane.semantic is not None and lane.semantic.is_asked(wish):
        turn.scope, turn.rules = scope, (rules, msgspec.structs.replace(compared, turns=()))
    return turn


def _compared(plain: PlainChat, lane: CacheLane, *, wide: bool) -> PlainChat:
    """What is compared of a plain conversation."""
    question = plain.question
    if question is not None:
        plain = msgspec.structs.replace(plain, turns=(("user", canonical(question)),))
    return msgspec.structs.replace(plain, users=()) if plain.users and lane.wide and wide else plain


def _own(call: MeteredCall, lane: CacheLane) -> bytes:
    """Of a request that says itself who may answer it: its answer serves its own key alone."""
    payer = call.meter.payer
    return lane.scope + payer.key_id.bytes


def _is_repeatable(call: MeteredCall, request: Request, *, asked: bool) -> bool:
    """Whether the same request may have the same answer."""
    if not asked:  # first: most requests that are not repeatable set a temperature
        temperature = call.dialect.caching.temperature(request)
        if temperature is not None and temperature > 0 and temperature != _USUAL_TEMPERATURE:
            return False
    if request.choices != 1 or request.web_search_uses or request.demand is not None:
        return False
    return len(request.body) <= MOST_BODY and _may_be_kept(call, request) and not _has_media_elsewhere(request)


def _has_media_elsewhere(request: Request) -> bool:
    """Whether media are named that are not in the body, and that may be others tomorrow."""
    size, body = request.size, request.body
    if not (size.images or size.files or size.audios):
        return False
    if any(each in body for each in _IDS) or _ESCAPED.search(body):
        return True
    if not any(each in body for each in _SLASHES):
        return False
    body = body.lower()
    return any(each in body for each in _SCHEMES)


def _may_be_kept(call: MeteredCall, request: Request) -> bool:
    """Who allows providers to keep nothing has nothing kept here either."""
    if request.rules is None and call.rules is None:
        return True
    header = None if call.rules is None else call.header_rules()
    return not any(rules is not None and keeps_nothing(rules.retention) for rules in (request.rules, header))
