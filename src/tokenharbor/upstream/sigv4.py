"""AWS Signature Version 4: header lines that authenticate a request's sender and its bytes.

Source: "Create a signed AWS API request" in AWS's IAM User Guide. The signed path is percent-encoded once more than the
sent path, as all services except S3 require.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

_ALGORITHM = "AWS4-HMAC-SHA256"
_END = "aws4_request"

Lines = tuple[tuple[str, str], ...]


class AwsKeys(msgspec.Struct, frozen=True):
    """An AWS credential. `token` is set for temporary credentials."""

    id: str
    secret: str
    token: str = ""


class SigningScope(msgspec.Struct, frozen=True):
    """The region and service for which a signature is valid."""

    region: str
    service: str


class RequestToSign(msgspec.Struct, frozen=True):
    """A request to sign: `path` as sent, without a query; `headers` with names in lower case."""

    method: str
    path: str
    headers: Lines
    body: bytes


def read_keys(credential: str) -> AwsKeys | None:
    """Read `ID:SECRET` or `ID:SECRET:TOKEN`. Return None for anything else."""
    parts = credential.split(":", 2)
    return AwsKeys(*parts) if len(parts) > 1 and all(parts) else None


def sign(keys: AwsKeys, scope: SigningScope, sent: RequestToSign, at: datetime) -> Lines:
    """Return the header lines to add."""
    moment = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added = (("x-amz-date", moment), *((("x-amz-security-token", keys.token),) if keys.token else ()))
    signed = sorted((*sent.headers, *added))
    names = ";".join(name for name, _ in signed)
    where = "/".join((moment[:8], scope.region, scope.service, _END))
    to_sign = "\n".join((_ALGORITHM, moment, where, _digest(_canonical(sent, signed, names).encode())))
    signature = hmac.new(_key(keys, scope, moment[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
    shown = f"{_ALGORITHM} Credential={keys.id}/{where}, SignedHeaders={names}, Signature={signature}"
    return (*added, ("authorization", shown))


def _canonical(sent: RequestToSign, signed: list[tuple[str, str]], names: str) -> str:
    lines = "".join(f"{name}:{value.strip()}\n" for name, value in signed)
    path = quote(sent.path, safe="/-_.~")
    return f"{sent.method}\n{path}\n\n{lines}\n{names}\n{_digest(sent.body)}"


def _key(keys: AwsKeys, scope: SigningScope, day: str) -> bytes:
    key = f"AWS4{keys.secret}".encode()
    for word in (day, scope.region, scope.service, _END):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
