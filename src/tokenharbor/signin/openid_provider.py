"""The client of an OpenID provider: authorisation URLs, and verified identities of returning users.

It uses the code flow with PKCE, state and nonce. It checks the identity token's signature (with the provider's
published keys), issuer, audience, expiry and nonce.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tokenharbor.identity.tokens import make_token
from tokenharbor.kernel.errors import SignInRefused, Unavailable
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.world import World

_ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
_SECONDS: Final = 10
_LEEWAY_SECONDS: Final = 60
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdConfig:
    """The settings of a provider. `name` is shown to people; `issuer` must be exactly the provider's own."""

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


class OpenIdRequest(msgspec.Struct, frozen=True):
    """A pending sign-in, kept by the browser in sealed form."""

    state: str
    nonce: str
    verifier: str
    expires_ms: int
    referral: str = ""
    user: str = ""  # the shown id of a user who asked to connect the service


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdPerson:
    """The identity of a returning user. `email` is empty unless the provider has verified it."""

    issuer: str
    subject: str = field(repr=False)
    email: str = field(repr=False)
    name: str = field(repr=False)


class _Discovery(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class OpenIdProvider:
    """An OpenID provider. Its endpoints are fetched once; its keys again when a token does not verify."""

    def __init__(self, config: OpenIdConfig, world: World) -> None:
        self.config = config
        self._world = world
        self._discovery: _Discovery | None = None
        self._keys: KeySet | None = None

    async def url(self, request: OpenIdRequest, redirect_uri: str) -> str:
        """Return the URL of the provider's sign-in. Raises Unavailable."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(request.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = (await self._discovered()).authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def person(self, code: str, request: OpenIdRequest, redirect_uri: str) -> OpenIdPerson:
        """Exchange a code for the user's identity. Raises SignInRefused, Unavailable."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.config.client_id,
            "client_secret": self.config.client_secret,
            "code_verifier": request.verifier,
        }
        answer = await _fetch("POST", (await self._discovered()).token_endpoint, form)
        claims = await self._claims(str(answer.get("id_token", "")), request.nonce)
        verified = claims.get("email_verified") is True
        return OpenIdPerson(
            issuer=self.config.issuer,
            subject=str(claims["sub"]),
            email=str(claims.get("email") or "") if verified else "",
            name=str(claims.get("name") or ""),
        )

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        wanted = jwt.JWTClaimsRegistry(
            now=self._world.clock.unix_ms() // 1_000,
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self.config.issuer},
            aud={"essential": True, "value": self.config.client_id},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            claims = await self._verified(token)
            wanted.validate(claims)
        except (JoseError, ValueError) as error:
            raise SignInRefused(f"{self.config.name} sent an invalid token: {type(error).__name__}").because(
                ErrorReason.OPENID_BEGIN_AGAIN
            ) from None
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise SignInRefused(f"{self.config.name} sent the answer to another sign-in: begin again.").because(
                ErrorReason.OPENID_BEGIN_AGAIN
            )
        return claims

    async def _verified(self, token: str) -> dict[str, Any]:
        if self._keys is not None:
            try:
                return jwt.decode(token, self._keys, algorithms=_ALGORITHMS).claims
            except (JoseError, ValueError):
                self._keys = None  # the token may be signed with a newer key
        self._keys = KeySet.import_key_set(await _fetch("GET", (await self._discovered()).jwks_uri))  # type: ignore[arg-type]  # as JSON gives it
        return jwt.decode(token, self._keys, algorithms=_ALGORITHMS).claims

    async def _discovered(self) -> _Discovery:
        if self._discovery is None:
            found = await _fetch("GET", f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration")
            try:
                discovery = msgspec.convert(found, _Discovery)
            except msgspec.ValidationError:
                raise _unavailable() from None
            if discovery.issuer != self.config.issuer:
                raise SignInRefused(f"{self.config.name} states a different issuer than the configured one.").because(
                    ErrorReason.OPENID_BEGIN_AGAIN
                )
            self._discovery = discovery
        return self._discovery


def make_request(world: World, lasts_ms: int, *, referral: str, user: str) -> OpenIdRequest:
    state, nonce, verifier = (make_token(world.entropy) for _ in range(3))
    return OpenIdRequest(state, nonce, verifier, world.clock.unix_ms() + lasts_ms, referral, user)


async def _fetch(method: str, url: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Fetch a JSON object. Raises Unavailable; SignInRefused if the provider refuses."""
    try:
        async with httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=_SECONDS) as client:
            response = await client.request(method, url, data=form, headers={"accept": "application/json"})
    except (httpx.HTTPError, httpx.InvalidURL):
        raise _unavailable() from None
    if 400 <= response.status_code < 500:
        raise SignInRefused("The other service refused the sign-in: begin again.").because(
            ErrorReason.OPENID_BEGIN_AGAIN
        )
    try:
        body = msgspec.json.decode(response.content) if len(response.content) <= _MOST_BYTES else None
    except msgspec.DecodeError:
        body = None
    if response.status_code != 200 or not isinstance(body, dict):
        raise _unavailable()
    return body


def _unavailable() -> Unavailable:
    return Unavailable("The other service is unavailable: try again, or use your password.", retry_after=5).because(
        ErrorReason.OPENID_UNAVAILABLE
    )
