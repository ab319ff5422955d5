"""A fake OpenID provider on loopback, honest or hostile as a test configures it."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "harbor", "s3cret-of-the-client"


class OpenIdPeer:
    """Answers what it is told to: `claims` are over those of an honest answer, `key` signs."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "k1"}, auto_kid=False)
        self.published = [self.key]
        self.algorithm = "RS256"
        self.claims: dict[str, Any] = {}
        self.now = 0  # the clock's, if nobody says another
        self.who = ("s-1", "eve@example.com")  # subject and e-mail of who is sent to its page
        self.codes: dict[str, dict[str, str]] = {}
        self.url = ""

    def page(self, url: str) -> str:
        """Where its page sends a browser back to: whoever comes is signed in there."""
        code, state = self.authorize(url, *self.who)
        return f"{self.codes[code]['redirect_uri']}?{urlencode({'code': code, 'state': state})}"

    def authorize(self, url: str, subject: str = "s-1", email: str = "eve@example.com") -> tuple[str, str]:
        """What the browser comes back with from the page at `url`: code and state."""
        query = dict(parse_qsl(urlsplit(url).query))
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = {**query, "sub": subject, "email": email}
        return code, query["state"]

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        honest = (
            asked is not None
            and asked["code_challenge"] == challenge.decode().rstrip("=")
            and asked["redirect_uri"] == form.get("redirect_uri")
            and (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        )
        if not honest or asked is None:
            return 400, {"error": "invalid_grant"}
        now = self.now or int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": asked["sub"],
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "email": asked["email"],
            "email_verified": True,
            "name": "Eve",
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self._signed(claims)}

    def _signed(self, claims: dict[str, Any]) -> str:
        if self.algorithm == "RS256":
            return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key, algorithms=["RS256"])
        plain = f"{_base64({'alg': self.algorithm, 'kid': 'k1'})}.{_base64(claims)}"
        secret = self.published[0].as_pem(private=False)
        mac = hmac.digest(secret, plain.encode(), "sha256") if self.algorithm == "HS256" else b""
        return f"{plain}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        if path == "/keys":
            return 200, dict(KeySet(list(self.published)).as_dict(private=False))
        return self.token(form) if path == "/token" else (404, {})


def _base64(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@contextmanager
def openid_peer() -> Iterator[OpenIdPeer]:
    peer = OpenIdPeer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/authorize?"):
                return self._answer({})
            self.send_response(302)
            self.send_header("location", peer.page(self.path))
            self.send_header("content-length", "0")
            return self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            status, document = peer.answer(self.path, form)
            sent = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        peer.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield peer
        finally:
            server.shutdown()
            thread.join()
