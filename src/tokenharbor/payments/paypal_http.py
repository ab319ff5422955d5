"""PayPal over HTTP: access tokens, kept until shortly before they expire; timeouts; and refusals."""

import asyncio
from typing import Any, Final, TypeVar

import msgspec

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import ProcessorRefused, ProcessorUnavailable
from tokenharbor.payments.paypal_objects import NAME, PayPalRefusal
from tokenharbor.payments.reading import read_answer, sanitize_message

T = TypeVar("T")

_TOKEN_PATH: Final = "/v1/oauth2/token"  # noqa: S105  a path
_RENEW_SECONDS_BEFORE: Final = 60
_BUSY: Final = (408, 409, 425, 429)


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int


class PayPalAnswer:
    """PayPal's answer to a request: the object asked for, or a refusal."""

    def __init__(self, status: int, body: Any) -> None:
        self.refused = status >= 400
        self.body = body

    def read(self, kind: type[T]) -> T:
        return read_answer(kind, self.body, NAME)

    @property
    def issue(self) -> str | None:
        """The code of a refusal, None if it is none."""
        if not self.refused:
            return None
        refusal = read_answer(PayPalRefusal, self.body, NAME)
        return next((each.issue for each in refusal.details or ()), None) or refusal.name

    def raise_refusal(self) -> None:
        """Raise ProcessorRefused if the answer is a refusal."""
        if self.refused:
            refusal = read_answer(PayPalRefusal, self.body, NAME)
            words = next((each.description or each.issue for each in refusal.details or ()), None)
            raise ProcessorRefused(sanitize_message(words or refusal.message, f"{NAME} refused"))


class PayPalHttp:
    """A client with one connection pool and one access token."""

    def __init__(self, base_url: str, credentials: tuple[str, str], timeout_seconds: int, clock: Clock) -> None:
        import httpx  # noqa: PLC0415  takes a tenth of a second, only where PayPal is used

        self._errors = (httpx.HTTPError, httpx.InvalidURL)
        self._client = httpx.AsyncClient(base_url=base_url, timeout=timeout_seconds, follow_redirects=False)
        self._credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._renewal = asyncio.Lock()
        self._token = ""
        self._token_ends_seconds = 0.0  # by the monotonic clock

    async def get(self, path: str) -> PayPalAnswer:
        answer = await self._ask("GET", path, None, {})
        answer.raise_refusal()
        return answer

    async def post(self, path: str, request: Any, request_id: str, *, refusals_too: bool = False) -> PayPalAnswer:
        """Post once per `request_id`, as long as PayPal remembers it. Raises ProcessorRefused unless `refusals_too`."""
        headers = {"PayPal-Request-Id": request_id, "Prefer": "return=representation"}
        answer = await self._ask("POST", path, msgspec.json.encode(request), headers)
        if not refusals_too:
            answer.raise_refusal()
        return answer

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> PayPalAnswer:
        token = await self._valid_token("")
        status, answer = await self._send(method, path, body, {**headers, **_bearer(token)})
        if status == 401:  # the token may have been revoked before it expired
            token = await self._valid_token(token)
            status, answer = await self._send(method, path, body, {**headers, **_bearer(token)})
        if status in (401, 403):
            raise ProcessorUnavailable(
                f"{NAME} rejected our credentials: check [processors.paypal] and its permissions"
            )
        if status in _BUSY or not 200 <= status < 500:
            raise ProcessorUnavailable(f"{NAME} did not answer (status {status}); try again")
        return PayPalAnswer(status, answer)

    async def _valid_token(self, not_this: str) -> str:
        async with self._renewal:
            if self._token == not_this or self._clock.monotonic() >= self._token_ends_seconds:
                self._token = ""
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        form = {"grant_type": "client_credentials"}
        status, answer = await self._send("POST", _TOKEN_PATH, None, {}, data=form, auth=self._credentials)
        if status in (400, 401, 403):
            raise ProcessorUnavailable(f"{NAME} rejected our credentials: check [processors.paypal]")
        if status != 200:
            raise ProcessorUnavailable(f"{NAME} did not answer (status {status}); try again")
        token = read_answer(_Token, answer, NAME)
        self._token = token.access_token
        self._token_ends_seconds = self._clock.monotonic() + token.expires_in - _RENEW_SECONDS_BEFORE

    async def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], **form: Any
    ) -> tuple[int, Any]:
        kind = {} if form else {"Content-Type": "application/json"}
        try:
            async with asyncio.timeout(self._timeout_seconds + 5):
                answer = await self._client.request(method, path, content=body, headers={**headers, **kind}, **form)
        except (*self._errors, TimeoutError) as failed:
            raise ProcessorUnavailable(f"{NAME} did not answer ({type(failed).__name__}); try again") from None
        try:
            return answer.status_code, msgspec.json.decode(answer.content) if answer.content else None
        except (ValueError, RecursionError):
            if answer.status_code < 500:
                raise ProcessorUnavailable(f"{NAME} sent an answer that is not JSON; try again") from None
            return answer.status_code, None


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
