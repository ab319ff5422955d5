"""A provider that repeats our credential in an answer: masked wherever the answer is sent or stored, with an alarm."""

import base64
import gzip
import json
import zlib
from functools import partial
from urllib.parse import quote

import pytest
from tests.gateway.across import CLIENTS, ask
from tests.gateway.house import House, credential_of
from tests.gateway.tape import JSON, STREAM
from tests.gateway.test_causes import CHAT, GEMINI, MESSAGES, RESPONSES, tried

from tokenharbor.billing.alarms import Alarm
from tokenharbor.kernel.usage import Usage
from tokenharbor.upstream.credential_mask import CredentialMask, StreamMask
from tokenharbor.wire.surfaces.speech import MediaSplicer

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALPHA, TAPED = credential_of("alpha"), credential_of("taped")
FORMS = {
    "plain": ALPHA,
    "escaped": ALPHA.replace("v", "\\\\u0076", 1).replace("d", "\\\\u0064", 1),
    "base64": base64.b64encode(f"Bearer {ALPHA}".encode()).decode(),
    "shifted": base64.b64encode(f"x: {ALPHA} y".encode()).decode(),
}


def shown(house: House) -> list[str]:
    """The providers of the alarms since the last call."""
    counts = house.parts.metrics._alarms.counts
    found = [provider for kind, provider, _ in counts.elements() if kind is Alarm.CREDENTIAL_SHOWN]
    counts.clear()
    return found


async def test_F14_a_credential_in_an_answer_is_masked_and_alarmed(house: House) -> None:
    for dialect in (CHAT, RESPONSES, MESSAGES, GEMINI):
        for name, form in FORMS.items():
            house.script(
                f"[answer]\ntext = 'the key is {form.replace(chr(92) * 2, chr(92))} indeed'\nchunk_chars = 500\n"
            )
            for stream in (False, True):
                said = await ask(house, dialect, "solo", stream=stream)
                assert CLIENTS[dialect].finished(said)
                text = CLIENTS[dialect].text(said)
                assert text.startswith("the key is ")
                assert text.endswith(" indeed")
                assert ALPHA[8:] not in said.body.decode()
                receipt = await house.receipt(said.headers["x-request-id"])
                assert (receipt["status"], receipt["usage_source"]) == ("complete", "vendor")
                assert shown(house) == ["alpha"], (dialect, name)


async def test_F14_across_dialects_and_in_framed_streams(house: House) -> None:
    for wire in (CHAT, MESSAGES, "bedrock_converse", GEMINI):
        secret = credential_of(f"far_{wire}")
        house.script(f"[answer]\ntext = 'a {secret} b'\nchunk_chars = 500\n")
        for stream in (False, True):
            said = await ask(house, RESPONSES, f"only-{wire}", stream=stream)
            assert CLIENTS[RESPONSES].finished(said)
            assert secret.encode() not in said.body
            assert shown(house) == [f"far_{wire}"], wire


async def test_F14_a_header_on_the_receipt(house: House) -> None:
    content = json.dumps(
        {"choices": [{"index": 0, "message": {"content": "one"}, "finish_reason": "stop"}], "usage": USAGE}
    ).encode()
    for value in (TAPED, "x" * 100 + TAPED, f"id {TAPED}", base64.b64encode(TAPED.encode()).decode()):
        house.tape.put(content, JSON, head=b"x-request-id: %b\r\n" % value.encode())
        said = await ask(house, CHAT, "tape", stream=False)
        receipt = await house.receipt(said.headers["x-request-id"])
        assert receipt["status"] == "complete"
        assert TAPED[:20] not in json.dumps(receipt)
        assert base64.b64encode(TAPED.encode()).decode()[:20] not in json.dumps(receipt)
        assert shown(house) == ["taped"], value


USAGE = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"one %b two"}}]}\n\n'
REST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


async def test_F14_cut_anywhere_and_in_comments_names_and_endings(house: House) -> None:
    secret = TAPED.encode()
    middle = CHUNK % secret
    for content in (
        b": %b\n\n" % secret + CHUNK % b"x" + REST,
        middle + REST,
        CHUNK % b"x" + b"event: %b\nid: 1\n\n" % secret + REST,
        CHUNK % b"x" + REST.replace(b'"delta":{}', b'"delta":{},"note":"%b"' % secret),
        CHUNK % b"x" + REST + b": %b\n\n" % secret,
    ):
        for cut in (len(content) // 3, content.find(secret) + 3, content.find(secret) + len(secret) - 1):
            house.tape.put(content, STREAM, cuts=[cut])
            said = await ask(house, CHAT, "tape", stream=True)
            assert said.status == 200
            assert said.body.endswith(b"data: [DONE]\n\n") or b"*" in said.body
            assert secret not in said.body
            shown(house)


async def test_F14_in_failures_first_and_late(house: House) -> None:
    words = f"your key {ALPHA} is wrong"
    for fault in (
        f"kind = 'status', status = 422, message = '{words}'",
        f"kind = 'error_event', status = 422, after_events = 0, message = '{words}'",
        f"kind = 'error_event', status = 422, after_content = 2, message = '{words}'",
        f"kind = 'status', status = 500, message = '{words}'",
    ):
        house.fail(fault)
        said = await ask(house, CHAT, "duo", stream=True)
        assert ALPHA.encode() not in said.body
        assert shown(house) == ["alpha"], fault
        if "500" in fault:
            assert await tried(house, said) == [("alpha", "server"), ("beta", "ok")]


async def test_F14_sound_that_ends_with_it(house: House) -> None:
    house.script(f"[[rules]]\nfault = {{ kind = 'body', body = 'RIFF {ALPHA}', content_type = 'audio/mpeg' }}\n")
    said = await house.post("/v1/audio/speech", {"model": "voice", "input": "hello", "voice": "alloy"})
    assert (said.status, said.body) == (200, b"RIFF " + b"*" * len(ALPHA))
    assert shown(house) == ["alpha"]


@pytest.mark.asyncio(loop_scope="function")
async def test_F14_forms_of_a_credential() -> None:
    secret = 'sk-a/b+c="d'
    known = CredentialMask(secret)
    for form in (
        secret,
        quote(secret, safe=""),
        quote(secret).lower(),
        json.dumps(json.dumps(secret)),
        secret.replace("/", "\\/"),
        "".join(f"\\u00{ord(letter):02X}" for letter in secret),
        "".join(f"%{ord(letter):02X}" for letter in secret),
        "".join(f"%{ord(letter):02x}" for letter in secret),
        f"%73{secret[1:]}",
        *(base64.b64encode(f"{before}{secret}zzz".encode()).decode() for before in ("", "a", "ab")),
        *(base64.urlsafe_b64encode(f"{before}{secret}".encode()).decode() for before in ("", "a", "ab")),
    ):
        data = f"before {form} after".encode()
        masked = known.mask(data)
        assert len(masked) == len(data)
        assert masked.count(b"*") > 6, form
    assert CredentialMask("key-of-a-vendor").mask(b"%6B%65%79%2D%6F%66%2da%2Dvendor").count(b"*") == 31
    other = b"50% %73k before sk-a/b after \\u00e9 \\/"
    assert known.mask(other) is other
    assert CredentialMask("short").mask(b"short") == b"short"
    assert CredentialMask("").mask(b"") == b""


# ---- compressed although it was asked not to be


async def test_a_compressed_answer_is_read(house: House) -> None:
    whole = json.dumps(
        {"choices": [{"index": 0, "message": {"content": "one"}, "finish_reason": "stop"}], "usage": USAGE}
    ).encode()
    stream = CHUNK % b"x" + REST
    bare = zlib.compressobj(wbits=-15)
    for name, packed in (
        (b"gzip", gzip.compress(whole)),
        (b"X-GZIP", gzip.compress(whole)),
        (b"deflate", zlib.compress(whole)),
        (b"deflate", bare.compress(whole) + bare.flush()),
    ):
        house.tape.put(packed, JSON, head=b"Content-Encoding: %b\r\n" % name, cuts=[1, 20])
        said = await ask(house, CHAT, "tape", stream=False)
        assert (said.status, said.body) == (200, whole), name
    house.tape.put(gzip.compress(stream), STREAM, head=b"content-encoding: gzip\r\n", cuts=range(200))
    said = await ask(house, CHAT, "tape", stream=True)
    assert (said.status, said.ended) == (200, "complete")
    assert CLIENTS[CHAT].text(said) == "one x two"


async def test_a_compressed_answer_that_is_damaged_cut_or_a_bomb(house: House) -> None:
    bomb = gzip.compress(b" " * (80 << 20), 9)
    for packed in (gzip.compress(b"{}" * 100)[:-9], b"\x1f\x8b" + b"x" * 100, bomb):
        house.tape.put(packed, JSON, head=b"content-encoding: gzip\r\n")
        said = await ask(house, CHAT, "tape", stream=False)
        assert (said.status, said.error["code"]) == (502, "upstream_error")
    house.tape.put(gzip.compress(CHUNK % b"x" * 3)[:-9], STREAM, head=b"content-encoding: gzip\r\n")
    said = await ask(house, CHAT, "tape", stream=True)
    assert b"upstream_error" in said.body


@pytest.mark.asyncio(loop_scope="function")
async def test_F14_a_medium_that_is_cut_within_the_credential() -> None:
    """However it is cut, no byte is lost and none of the credential passes."""
    secret = "sk-vendor/0123456789"
    for form in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")[:-1]):
        medium = b"RIFF sk-v " + form + b" sk-vendor/01234"
        for first in range(len(medium)):
            for second in (first, first + 1, first + 9):
                seen: list[int] = []
                splicer = MediaSplicer(Usage(), StreamMask(CredentialMask(secret), partial(seen.append, 1)))
                pieces = medium[:first], medium[first:second], medium[second:]
                out = b"".join([splicer.feed(piece) for piece in pieces if piece])
                out += splicer.close() + splicer.ending()
                assert out == medium.replace(form, b"*" * len(form)), (first, second)
                assert seen, (first, second)
