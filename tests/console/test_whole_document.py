"""The whole OpenAPI document against a console that serves it: whatever it allows, and what not, is never a fault of
ours, and is answered as the document says.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest
import uvicorn
from tests.console.conftest import Office
from tests.console.spending import spend
from tests.console.test_authority import OPERATIONS
from tests.console.test_session import EMAIL, PASSWORD, token_in_mail

from tokenharbor.console.app import make_app
from tokenharbor.console.authentication import SignInAuthenticator
from tokenharbor.kernel import ids
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import Pool

LEFT_OUT: Final = {
    *(
        "signOut",
        "changePassword",
        "endSession",
        "endOtherSessions",
        "leaveAccount",
    ),  # end the session
    "testAlerts",  # posts to hosts that somebody else has
}
CHECKS: Final = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
ARGUMENTS: Final = (
    *("--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--max-examples", "3", "--workers", "1"),
    *("--seed", "1", "--generation-deterministic", "--continue-on-failure", "--suppress-health-check", "all"),
    *("--warnings", "off", "--request-timeout", "20"),
)


class QuietServer(uvicorn.Server):
    """Leaves signals to the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
async def url(office: Office) -> AsyncIterator[str]:
    """Where the console serves, with its own sign-in."""
    context = replace(office.context, authenticator=SignInAuthenticator(office.context.sign_in))
    app = cast("Any", make_app(context))
    config = uvicorn.Config(app, lifespan="off", loop="none", ws="none", log_config=None, access_log=False)
    server = QuietServer(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or a body waits 40 ms for its head
        serving = asyncio.ensure_future(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def furnished(office: Office, client: httpx.AsyncClient, database_url: str) -> dict[str, str]:
    """An owner's account in which there is something of everything; how its paths name it."""
    await client.post("/api/sign-up", json={"email": EMAIL, "password": PASSWORD})
    opened = {"token": await token_in_mail(office, EMAIL), "password": PASSWORD}
    said = await client.post("/api/email-verification", json=opened)
    client.headers["cookie"] = f"__Host-th={said.cookies['__Host-th']}"
    account = said.json()["accounts"][0]["id"]
    base = f"/api/accounts/{account}"
    await office.grant("5", Pool.PROMO, ids.parse("acct", account))
    key = (await client.post(f"{base}/keys", json={"name": "one"})).json()["id"]
    payer = Payer(ids.parse("acct", account), ids.parse("key", key))
    request = await spend(database_url, office.context.world, payer, "0.01")
    paid = {"amount_usd": "10"}
    top_up = (await client.post(f"{base}/top-ups", json=paid, headers={"idempotency-key": "one"})).json()["id"]
    office.processor.pay(top_up)
    await client.post(f"{base}/top-ups/{top_up}/sync")
    return {"account_id": account, "key_id": key, "request_id": ids.show("req", request), "top_up_id": top_up}


@pytest.mark.slow
@pytest.mark.takes(60)
async def test_whatever_the_document_allows_is_answered_as_it_says(
    office: Office, url: str, database_url: str, tmp_path: Path
) -> None:
    headers = {"sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        parameters = await furnished(office, client, database_url)
        shown = client.headers["cookie"]
    config = tmp_path / "schemathesis.toml"
    named = [f'{name} = "{value}"\n' for name, value in parameters.items()]
    mine = "[generation]\nwith-security-parameters = false\n"  # made-up keys beside the cookie would all be a 401
    config.write_text(f"{mine}[parameters]\n{''.join(named)}")
    left_out = [each.id for each in OPERATIONS if each.id in LEFT_OUT or each.streams]
    excluded = [part for each in left_out for part in ("--exclude-operation-id", each)]
    program = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "--config-file", str(config), "run", f"{url}/api/openapi.json"),
        *("-H", f"cookie: {shown}", "-H", "sec-fetch-site: same-origin", *ARGUMENTS, *excluded),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    async with httpx.AsyncClient(base_url=url, headers=headers | {"cookie": shown}) as client:
        assert (await client.get("/api/session")).status_code == 200, "it was signed in until the end"
    text = said.decode()
    assert f"Tested: {len(OPERATIONS) - len(left_out)}" in text, text[-3000:]
    assert process.returncode == 0, text[-20_000:]
