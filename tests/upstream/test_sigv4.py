"""Signatures: AWS's published examples, and equality with botocore's."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.upstream.sigv4 import AwsKeys, RequestToSign, SigningScope, read_keys, sign

# The published suite (docs.aws.amazon.com, "Signature Version 4 test suite"): one key, one moment, one scope.
KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SCOPE = SigningScope("us-east-1", "service")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
HOST = ("host", "example.amazonaws.com")
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwt"
    "hAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVX"
    "AkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
UNRESERVED = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = ("content-type", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("name", "sent", "signature"),
    [
        (
            "get-vanilla",
            RequestToSign("GET", "/", (HOST,), b""),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "post-vanilla",
            RequestToSign("POST", "/", (HOST,), b""),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "get-utf8",
            RequestToSign("GET", "/ሴ", (HOST,), b""),
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        (
            "get-unreserved",
            RequestToSign("GET", UNRESERVED, (HOST,), b""),
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "post-x-www-form-urlencoded",
            RequestToSign("POST", "/", (HOST, FORM), b"Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_the_published_answers(name: str, sent: RequestToSign, signature: str) -> None:
    date, (_, shown) = sign(KEYS, SCOPE, sent, AT)
    assert date == ("x-amz-date", "20150830T123600Z")
    assert shown.startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, Signed"
    ), name
    assert shown.endswith(f"Signature={signature}"), name


def test_a_sessions_token_is_sent_and_signed() -> None:
    """post-sts-header-before."""
    keys = AwsKeys(KEYS.id, KEYS.secret, TOKEN)
    _, token, (_, shown) = sign(keys, SCOPE, RequestToSign("POST", "/", (HOST,), b""), AT)
    assert token == ("x-amz-security-token", TOKEN)
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token, " in shown
    assert shown.endswith("Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead")


words = st.text(st.sampled_from("abcXYZ019-_.~:/+"), min_size=1, max_size=20)


@given(
    path=st.lists(st.sampled_from(["model", "us.a-v1%3A0", "a%2Fb", "converse", "~x"]), max_size=4),
    body=st.binary(max_size=60),
    keys=st.builds(AwsKeys, words, words, st.sampled_from(["", TOKEN])),
    region=st.sampled_from(["us-east-1", "eu-west-3"]),
    later=st.integers(0, 10**9),
)
def test_a_peer_signs_alike(path: list[str], body: bytes, keys: AwsKeys, region: str, later: int) -> None:
    at = AT + timedelta(seconds=later)
    where = "/" + "/".join(path)
    request = AWSRequest("POST", f"https://{HOST[1]}{where}", {"Content-Type": "application/json"}, body)
    peer = SigV4Auth(Credentials(keys.id, keys.secret, keys.token or None), "bedrock", region)
    with mock.patch("botocore.auth.get_current_datetime", return_value=at.replace(tzinfo=None)):
        peer.add_auth(request)
    sent = RequestToSign("POST", where, (HOST, ("content-type", "application/json")), body)
    for name, value in sign(keys, SigningScope(region, "bedrock"), sent, at):
        assert request.headers[name] == value


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        ("AKID:s/e+c", AwsKeys("AKID", "s/e+c")),
        ("AKID:secret:token==", AwsKeys("AKID", "secret", "token==")),
        ("", None),
        ("AKID", None),
        ("AKID:", None),
        (":secret", None),
        ("AKID:secret:", None),
    ],
)
def test_a_credential_has_two_or_three_parts(credential: str, expected: AwsKeys | None) -> None:
    assert read_keys(credential) == expected
