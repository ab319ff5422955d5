"""Decides whether a request is cacheable, and makes its cache key."""

import re

import msgspec

from tokenharbor.cache.canonical import canonical
from tokenharbor.cache.keys import KeyMaker
from tokenharbor.gateway.cache_lane import CacheLane, is_zero_retention
from tokenharbor.gateway.cacheable_request import AnswerStore, CacheableRequest
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.wire.neutral.plain import PlainChat
from tokenharbor.wire.neutral.request import Request

MOST_BODY = 1 << 20
"""Bytes of the largest cacheable request: to digest a larger one costs more than a hit saves."""
_USUAL_TEMPERATURE = 1.0
"""The vendors' default: a request that states it is as repeatable as one that does not."""
_IDS = b"file_id", b"fileId", b"fileUri", b"file_uri"
_SLASHES = b"://", rb":\/"  # some clients escape slashes
_ESCAPED = re.compile(rb"\\u00(?:2f|3a|[46][1-9a-f]|[57][0-9a])", re.IGNORECASE)
"""A slash, a colon or a letter as a JSON escape: no client has a reason to write one, except to hide a URL."""
_SCHEMES = [b'"%b%b' % (scheme, each) for scheme in (b"http", b"https", b"gs", b"s3", b"oss") for each in _SLASHES]
_PLAIN = "plain"
_NO_CONTENT = frozenset({"model", "stream", "stream_options", "provider", "cache", "usage", "session_id"})
"""Members that do not affect the answer's content. Provider rules are part of the key separately."""


def prepare(
    keys: KeyMaker, answers: AnswerStore, call: MeteredCall, lane: CacheLane, request: Request
) -> CacheableRequest | None:
    """Return the request with its cache key, or None if it is not cacheable."""
    stated = request.cache
    asked = stated is not None and stated.exact is True
    if (stated is not None and stated.exact is False) or not _is_repeatable(call, request, asked=asked):
        return None
    reader, members = call.dialect.caching, request.members
    bound = request.rules is not None or call.rules_header is not None
    scope = _key_scope(call, lane) if lane.wide and bound else lane.scope
    pool_decision = None if call.pool_decision is None else call.pool_decision.facts
    rules = (
        bytes(members["provider"]) if "provider" in members else None,
        call.rules_header,
        call.forwarded_lines,
        pool_decision,
    )
    plain = reader.read_plain(request)
    if plain is None:
        left_out = _NO_CONTENT | reader.users if lane.wide else _NO_CONTENT
        content = [(name, bytes(raw)) for name, raw in members.items() if name not in left_out]
        key = lane.prefix(keys, scope, call.dialect.name).key((rules, content))
        return CacheableRequest(key, lane, None, answers)
    compared = _compared(plain, lane, wide=bool(reader.users))
    cacheable = CacheableRequest(lane.prefix(keys, scope, _PLAIN).key((rules, compared)), lane, plain, answers)
    if lane.semantic is not None and lane.semantic.is_on_for(stated):
        cacheable.scope, cacheable.rules = scope, (rules, msgspec.structs.replace(compared, turns=()))
    return cacheable


def _compared(plain: PlainChat, lane: CacheLane, *, wide: bool) -> PlainChat:
    """Return the part of a plain conversation that its key digests: a question in canonical form, users left out if the
    whole account shares answers.
    """
    question = plain.question
    if question is not None:
        plain = msgspec.structs.replace(plain, turns=(("user", canonical(question)),))
    return msgspec.structs.replace(plain, users=()) if plain.users and lane.wide and wide else plain


def _key_scope(call: MeteredCall, lane: CacheLane) -> bytes:
    """Return the scope of one API key: a request with provider rules shares answers with its own key only."""
    payer = call.meter.payer
    return lane.scope + payer.key_id.bytes


def _is_repeatable(call: MeteredCall, request: Request, *, asked: bool) -> bool:
    """Return whether the same request may get the same answer. `asked`: the request turned the exact cache on."""
    if not asked:  # first: most requests that are not repeatable set a temperature
        temperature = call.dialect.caching.temperature(request)
        if temperature is not None and temperature > 0 and temperature != _USUAL_TEMPERATURE:
            return False
    if request.choices != 1 or request.web_search_uses or request.demand is not None:
        return False
    return len(request.body) <= MOST_BODY and _allows_retention(call, request) and not _has_remote_media(request)


def _has_remote_media(request: Request) -> bool:
    """Return whether the body refers to media by URL or file id: their content may change."""
    size, body = request.size, request.body
    if not (size.images or size.files or size.audios):
        return False
    if any(each in body for each in _IDS) or _ESCAPED.search(body):
        return True
    if not any(each in body for each in _SLASHES):
        return False
    body = body.lower()
    return any(each in body for each in _SCHEMES)


def _allows_retention(call: MeteredCall, request: Request) -> bool:
    """Return whether the request's rules allow caching: requests that demand zero retention are never cached."""
    if request.rules is None and call.rules_header is None:
        return True
    header = None if call.rules_header is None else call.header_rules()
    return not any(rules is not None and is_zero_retention(rules.retention) for rules in (request.rules, header))
