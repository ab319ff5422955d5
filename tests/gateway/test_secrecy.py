"""Prompts and answers appear only in answers; credentials and API keys appear nowhere."""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.attack import (
    CANARY,
    DIALECTS,
    PATHS,
    body,
    check_refusal,
    in_dialect_of,
    rows_holding,
    watching_logs,
)
from tests.gateway.house import HELLO, VENDORS, House, credential_of
from tests.gateway.raw import PATIENCE

from tokenharbor.catalog.types import Provider
from tokenharbor.gateway.snapshot import build_snapshots

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROMPT, SYSTEM, TOOL, PERSON, ANSWER, COMPLAINT, NOTE = (
    f"{CANARY}{place}" for place in ("Prompt", "System", "Tool", "Person", "Answer", "Complaint", "Note")
)
PASSPHRASE = "correcthorsebatterystaple"
"""A credential that looks like no credential."""


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with watching_logs(caplog, capfd, PASSPHRASE, *map(credential_of, VENDORS)):
        yield


def telling(dialect: str, **fields: Any) -> bytes:
    """A request with a canary wherever content may stand."""
    content = [{"type": "text", "text": PROMPT}]
    told: dict[str, Any] = {"messages": [{"role": "user", "content": content}]}
    if dialect == "chat":
        schema = {"name": TOOL, "description": TOOL, "parameters": {"type": "object"}}
        told["messages"].insert(0, {"role": "system", "content": SYSTEM})
        told |= {"user": PERSON, "tools": [{"type": "function", "function": schema}], "metadata": {NOTE: NOTE}}
    elif dialect == "response":
        tool = {"type": "function", "name": TOOL, "description": TOOL, "parameters": {"type": "object"}}
        content[0]["type"] = "input_text"
        told |= {"instructions": SYSTEM, "tools": [tool], "safety_identifier": PERSON, "metadata": {NOTE: NOTE}}
    elif dialect == "gemini":
        fields.pop("stream", None)  # which stands in the path
        told = {"messages": [{"role": "user", "parts": [{"text": PROMPT}]}], "labels": {NOTE: PERSON}}
        told["systemInstruction"] = {"parts": [{"text": SYSTEM}]}
        told["tools"] = [{"functionDeclarations": [{"name": TOOL, "description": TOOL}]}]
    else:
        tool = {"name": TOOL, "description": TOOL, "input_schema": {"type": "object"}}
        told |= {"system": SYSTEM, "tools": [tool], "metadata": {"user_id": PERSON}, "novel": NOTE}
    return in_dialect_of(dialect, body(**told, **fields))


def address(dialect: str, *, stream: bool) -> str:
    """The path and a query that may be gone on with."""
    path = PATHS[dialect]
    if dialect == "gemini" and stream:
        path = path.replace("generateContent", "streamGenerateContent")
    return f"{path}?alt=sse"


HEADERS = {"user-agent": NOTE, "cookie": f"session={NOTE}", "referer": f"http://{NOTE}/", "x-novel": NOTE}
SAYS = f'answer = {{ text = "{ANSWER} two three four five", chunk_chars = 4 }}\n'
REPEATS = f'"{COMPLAINT}: your prompt was {PROMPT}"'

FAULTS = {
    "complete": "",
    "refused": f"kind = 'status', status = 422, message = {REPEATS}",
    "failed": f"kind = 'status', status = 500, message = {REPEATS}, code = '{NOTE}'",
    "a failure first": f"kind = 'error_event', status = 500, after_events = 0, message = {REPEATS}",
    "a failure late": f"kind = 'error_event', status = 500, after_content = 2, message = {REPEATS}",
    "broken": "kind = 'break', after_content = 3",
    "garbage": "kind = 'garbage', how = 'broken_json'",
    "no usage": "kind = 'usage', how = 'none'",
    "wrong usage": "kind = 'usage', how = 'not_adding_up'",
}


def rule(fault: str) -> str:
    return f"[[rules]]\nfault = {{ {fault} }}\n" if fault else ""


async def hang_up(house: House, dialect: str) -> None:
    """Read the first content of a slow stream, and leave."""
    house.script(f'answer = {{ text = "{ANSWER} two three four five", chunk_chars = 4, delay_ms = 50 }}\n')
    content = telling(dialect, stream=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = (
        f"POST {address(dialect, stream=True)} HTTP/1.1\r\nhost: h\r\nx-api-key: {house.payer.key}\r\n"
        f"content-length: {len(content)}"
    )
    writer.write(f"{head}\r\n\r\n".encode() + content)
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(CANARY[:4].encode())
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    await house.seen()


async def test_no_prompt_and_no_answer_is_kept(house: House) -> None:
    """Not in the books, whatever becomes of a request; nor in logs, metrics, receipts or pages."""
    statuses = set()
    for dialect, path in PATHS.items():
        for fault in FAULTS.values():
            for stream in (False, True):
                house.script(SAYS + rule(fault))
                await house.post(
                    f"{address(dialect, stream=stream)}&tag={NOTE}", telling(dialect, stream=stream), HEADERS
                )
                await house.seen()
        house.script(SAYS)
        await house.post(f"{path}?dry_run=1", telling(dialect))
        await house.post(path, telling(dialect, model=NOTE))
        await house.post(path, telling(dialect, provider={"only": [NOTE]}))
        await house.post(path, telling(dialect, service_tier=NOTE))
        await house.post(path, telling(dialect)[:-1])
        await hang_up(house, dialect)
    await house.harbor.books.drain()
    listed = (await house.get("/v1/requests")).json()["data"]
    for each in listed:
        receipt = await house.receipt(each["id"])
        statuses.add(receipt["status"])
        assert CANARY not in json.dumps(receipt)
    assert len(listed) == len(PATHS) * (2 * len(FAULTS) + 1)
    assert statuses == {"complete", "failed", "hung_up"}
    assert await rows_holding(house, [CANARY]) == []
    for page in ("/", "/metrics", "/healthz", "/readyz", "/v1/models", "/v1/account/balance"):
        assert CANARY not in (await house.get(page)).body.decode(), page


async def test_metrics_have_canonical_names_for_labels_and_nothing_else(house: House) -> None:
    for name in ("solo-2026-01-01", "alpha/solo", "sims/solo"):
        await house.chat(name, headers={"x-request-id": CANARY})
    for name in (CANARY, "SOLO", "solo\n", ""):
        await house.chat(name)
    text = (await house.get("/metrics")).body.decode()
    catalog = house.parts.snapshots.current.catalog
    assert set(re.findall(r'model="([^"]*)"', text)) <= {*catalog.models, ""}
    assert set(re.findall(r'provider="([^"]*)"', text)) <= {*catalog.providers, ""}


# ---- our credentials at the vendors


def _passphrase_for(provider: Provider) -> str:
    return f"{PASSPHRASE}:{PASSPHRASE}" if provider.auth == "sigv4" else PASSPHRASE


@pytest.fixture
def passphrase(house: House) -> Iterator[str]:
    """Every provider's credential is one that no pattern would find."""
    snapshots, clock = house.parts.snapshots, house.parts.world.clock
    before, usual = snapshots.sales, snapshots.current
    snapshots.swap(build_snapshots(usual.catalog, usual.policy, _passphrase_for, clock))
    yield PASSPHRASE
    snapshots.swap(before)


def echo(status: int, secret: str) -> dict[str, str]:
    """Faults whose words hold our credential, each in another place."""
    words = f"Incorrect API key provided: {secret} (Bearer {secret})"
    told = f"kind = 'status', status = {status}"
    event = f"kind = 'error_event', status = {status}, message = '{words}'"
    return {
        "message": f"{told}, message = '{words}'",
        "code": f"{told}, message = 'm', code = '{secret}'",
        "type": f"{told}, message = 'm', type = '{secret}'",
        "param": f"{told}, message = 'm', param = '{secret}'",
        "a string": f'{told}, body = \'{{"error": "{words}"}}\'',
        "detail": f'{told}, body = \'{{"detail": "{words}"}}\'',
        "a page": f"{told}, body = '<h1>{words}</h1>'",
        "first event": f"{event}, after_events = 0, code = '{secret}'",
        "late event": f"{event}, after_content = 2, type = '{secret}'",
    }


@DIALECTS
@pytest.mark.parametrize("status", [400, 401, 422, 500])
async def test_a_vendor_that_repeats_our_credential_is_not_repeated(
    house: House, dialect: str, passphrase: str, status: int
) -> None:
    for place, fault in echo(status, passphrase).items():
        for stream in (False, True):
            house.script(SAYS + rule(fault))
            said = await house.post(PATHS[dialect], body(messages=HELLO, stream=stream))
            assert passphrase not in said.body.decode(), (place, said.body)
            assert passphrase not in str(said.headers), place
            assert passphrase not in json.dumps(await house.receipt(said.headers["x-request-id"])), place
    assert await rows_holding(house, [passphrase]) == []


async def test_credentials_and_keys_are_on_no_page_and_in_no_table(house: House) -> None:
    await house.chat()
    await house.message(stream=True)
    house.fail("kind = 'status', status = 401")
    await house.chat()
    check_refusal(
        await house.post(PATHS["chat"], body(), {"x-api-key": credential_of("alpha")}), "chat", 401, "invalid_api_key"
    )
    secrets = [house.payer.key, house.payer.key[9:], *map(credential_of, VENDORS)]
    pages = ["/", "/metrics", "/v1/models", "/v1/models/solo", "/v1/account/balance", "/v1/requests", "/nothing"]
    for page in pages:
        said = await house.get(page)
        assert not [secret for secret in secrets if secret in said.body.decode() + str(said.headers)], page
    dry = await house.post("/v1/chat/completions?dry_run=1", body(model="quad"))
    assert not [secret for secret in secrets if secret in dry.body.decode()]
    assert "KEY_OF" not in dry.body.decode()
    assert await rows_holding(house, secrets) == []


async def test_a_vendor_never_sees_our_callers_key(house: House) -> None:
    for headers in (
        {"x-api-key": house.payer.key},
        {"authorization": f"Bearer {house.payer.key}"},
        {"x-goog-api-key": house.payer.key, "cookie": house.payer.key, "x-novel": house.payer.key},
    ):
        await house.chat(headers=headers)
        await house.message(headers=headers)
    for record in await house.seen():
        assert house.payer.key not in f"{record.headers}{record.body}"
        assert record.credential == credential_of("alpha")
