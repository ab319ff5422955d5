"""A server that runs reads its files again: a bad one keeps the old, and nothing of callers is left behind."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator

import pytest
from tests.e2e.books import nothing_held
from tests.e2e.books import simulator as tool
from tests.e2e.harbor import READY_SECONDS, Harbor, running_harbor
from tests.e2e.mistakes import IN_THE_CATALOGUE, IN_THE_FILE, MODEL, PRICE, PROVIDER, SECRET
from tests.e2e.raw_client import CHAT, MESSAGES, PATHS, ClientRequest, ask

pytestmark = pytest.mark.slow


# ---- a server that runs


@pytest.fixture(scope="module")
def running() -> Iterator[Harbor]:
    with running_harbor() as harbor:
        yield harbor


def reread(harbor: Harbor, times: int = 1) -> dict[str, str]:
    """Send the signal; what the server then says of its files."""
    assert harbor.server is not None
    before = len(told(harbor))
    for _ in range(times):
        harbor.server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if len(lines := told(harbor)) > before:
            said: dict[str, str] = json.loads(lines[before])
            return said
        assert harbor.server.process.poll() is None, harbor.server.lines[-20:]
        time.sleep(0.02)
    raise AssertionError(harbor.server.lines[-20:])


def told(harbor: Harbor) -> list[str]:
    assert harbor.server is not None
    return [line for line in harbor.server.lines if '"reloaded"' in line or '"not_reloaded"' in line]


def chat(harbor: Harbor, model: str = "sim") -> int:
    """A request's status."""
    body = {"model": model, "temperature": 0.5, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
    asked = ask(harbor.url, ClientRequest(CHAT, harbor.key, json.dumps(body).encode()))
    return asyncio.run(asked).status or 0


def test_a_bad_file_keeps_the_old_one_and_says_so(running: Harbor) -> None:
    file = running.home / "tokenharbor.toml"
    good = file.read_text()
    only_at_the_start = (
        "[server]\nsecret = 'env:",
        "[server]\nsecret = 'file:",
        "[database]\nurl = ",
        "token = 'file:",
    )
    mistakes = [text for text, _ in (*IN_THE_FILE.values(), *IN_THE_CATALOGUE.values())]
    mistakes = [text for text in mistakes if SECRET in text or not any(word in text for word in only_at_the_start)]
    assert len(mistakes) > 30
    for text in mistakes:
        file.write_text(text)
        said = reread(running)
        assert (said["event"], said["level"]) == ("not_reloaded", "error"), text
        assert any(
            place in said["reason"] for place in ("tokenharbor.toml", "edition ", "edition: ", "server.", "/nowhere")
        )
        assert "internal error" not in said["reason"]
        assert SECRET not in json.dumps(said)
        assert chat(running) == 200, text
    file.write_bytes(b"edition = '\xff'")
    assert "not UTF-8" in reread(running)["reason"]
    provider = PROVIDER.replace("env:KEY", "env:SIM_KEY").replace("http://127.0.0.1:1", running.simulator)
    for text, status in ((good + provider, 404), (good + provider + MODEL + PRICE, 200), (good, 404)):
        file.write_text(text)
        assert reread(running)["event"] == "reloaded"
        assert chat(running, "novel") == status


def test_many_signals_at_once_end_nothing(running: Harbor) -> None:
    assert reread(running, times=50)["event"] == "reloaded"
    assert chat(running) == 200


# ---- what a server leaves behind

CANARY = "quokka7Xq2vellichor"


def telling(path: str, text: str = "", **more: object) -> bytes:
    turns = [{"role": "user", "content": f"{CANARY}Prompt{text}"}]
    body = {"model": "sim", "temperature": 0.5, "messages": turns, "max_tokens": 50, **more}
    if path == MESSAGES:
        body["system"] = f"{CANARY}System"
    return json.dumps(body).encode()


def test_neither_logs_nor_files_hold_content_or_keys(running: Harbor) -> None:
    """Whatever became of the requests: served, refused, failed, left."""
    text = f"{CANARY}Answer and many words more, one after the other"
    silent = '[[rules]]\nmatch = { contains = "[leave]" }\nfault = { kind = "stall", where = "mid", after_content = 5 }'
    tool(running, "POST", "script", f'answer = {{ text = "{text}", chunk_chars = 4 }}\n{silent}')
    for path in PATHS:
        questions = [
            ClientRequest(path, running.key, telling(path)),
            ClientRequest(path, running.key, telling(path, stream=True)),
            ClientRequest(path, running.key, telling(path, "[leave]", stream=True), leave_bytes=400),
            ClientRequest(path, running.key, telling(path, model=f"{CANARY}Model")),
            ClientRequest(path, running.key, telling(path, max_tokens=f"{CANARY}Maximum")),
            ClientRequest(path, f"thk_live_{CANARY}{'x' * (32 - len(CANARY))}", telling(path)),
        ]
        heard = [asyncio.run(ask(running.url, question)) for question in questions]
        assert [one.status for one in heard] == [200, 200, 200, 404, 400, 401]
        assert [one.how for one in heard] == ["complete", "complete", "left", "failed", "failed", "failed"]
    refusal = f'kind = "status", status = 400, message = "{CANARY}Complaint"'
    for fault in (refusal, refusal.replace("400", "500"), "kind = 'break', after_content = 2", "kind = 'garbage'"):
        tool(running, "POST", "script", f'answer = {{ text = "{text}" }}\n[[rules]]\nfault = {{ {fault} }}')
        for path in PATHS:
            for stream in (False, True):
                asyncio.run(ask(running.url, ClientRequest(path, running.key, telling(path, stream=stream))))
    tool(running, "POST", "script", "")
    asyncio.run(nothing_held(running.url, running.key))
    assert running.server is not None
    secrets = [CANARY, running.key, running.key[9:], *running.env.values()]
    log = "\n".join(running.server.lines)
    assert not [secret for secret in secrets if secret in log], log
    found = [
        f"{file}: {secret}"
        for file in running.home.rglob("*")
        if file.is_file()
        for secret in secrets
        if secret.encode() in file.read_bytes()
    ]
    assert found == []
