"""Receivers of alerts in tests: a mail server and an HTTP server on loopback that keep what they receive."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP

from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.kernel.clock import SystemClock


class MailCatcher:
    """A mail server that keeps mails; with `refusal`, it answers each mail with that."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusal = ""
        self.port = 0

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, enable_SMTPUTF8=True, hostname="catcher.test", loop=loop), "127.0.0.1", 0
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refusal:
            return self.refusal
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 taken"


class WebhookCatcher:
    """An HTTP server that keeps requests and answers with `status`."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.extra = b""
        self.port = 0
        self._server = Server(self._handle, ServerLimits(), SystemClock())

    async def start(self) -> None:
        self.port = await self._server.start("127.0.0.1", 0)

    async def stop(self) -> None:
        await self._server.drain(0.1)

    async def _handle(self, exchange: Exchange) -> None:
        body = await exchange.read_body()
        self.posts.append(({name.decode(): value.decode("latin-1") for name, value in exchange.headers}, body))
        exchange.respond(self.status, self.extra, b"")
